"""Which network addresses may be fetched, and how an address is shown."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from fingerprinter.core.printable import printable
from fingerprinter.errors import AudioError, UsageError

_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in the last 32 bits
_MAX_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was checked, with the one IP address to which it is pinned.

    Parameters
    ----------
    url : str
        The address without user and password.
    host, ip : str
        Name of the host, and the IP address that it had when it was checked.
    port : int
        Port of the host.
    credentials : (str, str) or None
        User and password of the address.
    """

    url: str
    host: str
    ip: str
    port: int
    credentials: tuple[str, str] | None = None


def is_web_address(source: str) -> bool:
    """Tell whether a source is an address with a scheme, such as ``https://host/stream``."""
    return "://" in source


def shown_address(url: str) -> str:
    """Return an address for messages: without user, password, query and fragment.

    >>> shown_address("https://me:secret@radio.example:8000/live?token=1")
    'https://radio.example:8000/live'
    """
    parts = urlsplit(url)
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def check_web_address(url: str) -> SplitResult:
    """Parse an address.

    Raises
    ------
    UsageError
        If it is no address of http or https.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{printable(url[:200])}: no address ({error})") from None
    if parts.scheme not in _PORTS:
        raise UsageError(
            f"{shown_address(url)}: a stream is fetched by http or https; name such an address"
        )
    if not parts.hostname or port == 0 or len(url) > _MAX_LENGTH or not printable(url) == url:
        raise UsageError(f"{shown_address(url)}: no address; write http://host/path")
    return parts


def joined(url: str, reference: str) -> str:
    """Return the address that an answer of another address refers to.

    Raises
    ------
    UsageError
        If it is no address.

    Examples
    --------
    >>> joined("http://radio.example/a/list.m3u8", "one.ts")
    'http://radio.example/a/one.ts'
    """
    try:
        return urljoin(url, reference)
    except ValueError as error:
        raise UsageError(f"{printable(reference[:200])}: no address ({error})") from None


def resolve(url: str, *, allow_private: bool) -> Target:
    """Check an address, and resolve the name of its host once.

    Parameters
    ----------
    url : str
        An address of http or https.
    allow_private : bool
        Whether addresses that are not public may be fetched: private, loopback, link-local,
        unique local, multicast and reserved ones.

    Returns
    -------
    Target
        What may be fetched. A later answer of the name server changes nothing.

    Raises
    ------
    UsageError
        If it is no address of http or https.
    AudioError
        If the host is unknown, or one of its addresses may not be fetched.
    """
    parts = check_web_address(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AudioError(f"{shown_address(url)}: unknown host; is the name right?") from None
    ips = [str(each[4][0]) for each in found]
    if not allow_private and not all(map(is_public, ips)):
        raise AudioError(
            f"{shown_address(url)}: an address of a private network;"
            " `private_streams = true` in config.toml allows these"
        )
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    user = parts.username
    credentials = None if user is None else (user, parts.password or "")
    return Target(bare, host, ips[0], port, credentials)


def is_public(ip: str) -> bool:
    """Tell whether an IP address is one of the public Internet.

    IPv6 addresses that lead to an IPv4 address count as that one.

    >>> is_public("93.184.216.34"), is_public("10.0.0.1"), is_public("::ffff:127.0.0.1")
    (True, False, False)
    """
    address = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved
