"""Fetch over http and https with limits. Each redirect is checked as the first address is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fingerprinter.audio.streams.addresses import Target, joined, resolve, shown_address
from fingerprinter.errors import AudioError, UsageError

if TYPE_CHECKING:
    import httpx

CONNECT_S, READ_S = 10.0, 20.0
"""How long a server may take to answer, and may send nothing, in seconds."""

_MAX_REDIRECTS = 5
_CHUNK_BYTES = 4096  # a quarter of a second of most stations
_AGENT = "fingerprinter"


class Answer:
    """An answer of a web server, of which the body is read as it comes in.

    Attributes
    ----------
    url : str
        Where it came from, after all redirects.
    headers : mapping
        Headers of the answer; their names in any case.
    """

    def __init__(self, url: str, response: httpx.Response, shown: str) -> None:
        self.url, self.headers = url, response.headers
        self._response, self._shown = response, shown

    def chunks(self) -> Iterator[bytes]:
        """Yield the body in small pieces.

        Raises
        ------
        AudioError
            If the connection breaks, or gives nothing for `READ_S`.
        """
        import httpx

        try:
            yield from self._response.iter_raw(_CHUNK_BYTES)
        except httpx.TimeoutException:
            raise AudioError(f"{self._shown}: no sound for {READ_S:g} s") from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise AudioError(f"{self._shown}: the connection broke ({_words(error)})") from None

    def read(self, max_bytes: int) -> bytes:
        """Return the whole body.

        Raises
        ------
        AudioError
            If it has more than ``max_bytes``.
        """
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > max_bytes:
                raise AudioError(f"{self._shown}: larger than {max_bytes:,} bytes; is it a stream?")
        return bytes(body)


class Web:
    """A client that fetches checked addresses only; a context manager.

    Parameters
    ----------
    allow_private : bool
        See `resolve`.
    """

    def __init__(self, *, allow_private: bool) -> None:
        try:
            import httpx
        except ImportError as error:
            raise UsageError(
                "httpx is not installed, and a station needs it;"
                ' `pip install "fingerprinter[monitor]"`'
            ) from error
        self._allow_private = allow_private
        timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
        # A proxy of the environment would connect to an address that was not checked.
        self._client = httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False)

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    def get(
        self, url: str, resources: ExitStack, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and follow its redirects.

        Parameters
        ----------
        url : str
            An address of http or https.
        resources : ExitStack
            Closes the answer in the end.
        headers : mapping, optional
            Headers of the request.

        Raises
        ------
        AudioError
            If an address may not be fetched, or the server does not answer with status 200.
        UsageError
            If it is no address of http or https.
        """
        import httpx

        for _ in range(_MAX_REDIRECTS + 1):
            target, shown = resolve(url, allow_private=self._allow_private), shown_address(url)
            try:
                response = self._client.send(self._request(target, headers or {}), stream=True)
            except httpx.TimeoutException:
                raise AudioError(f"{shown}: no answer; is the station on air?") from None
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise AudioError(f"{shown}: no connection ({_words(error)})") from None
            if response.has_redirect_location:
                response.close()
                url = joined(url, response.headers["location"])
                continue
            resources.callback(response.close)
            if response.status_code != httpx.codes.OK:
                status = f"{response.status_code} {response.reason_phrase}".strip()
                raise AudioError(f"{shown}: the server answers {status}")
            return Answer(target.url, response, shown)
        raise AudioError(f"{shown_address(url)}: more than {_MAX_REDIRECTS} redirects")

    def _request(self, target: Target, headers: Mapping[str, str]) -> httpx.Request:
        """Return a request to the IP address of a target that names its host."""
        import httpx

        url = httpx.URL(target.url).copy_with(host=target.ip)
        sent = {
            "Host": urlsplit(target.url).netloc,
            "User-Agent": _AGENT,
            "Accept-Encoding": "identity",
            **headers,
        }
        extensions: dict[str, Any] = {"sni_hostname": target.host}
        request = self._client.build_request("GET", url, headers=sent, extensions=extensions)
        if target.credentials:
            flow = httpx.BasicAuth(*target.credentials).auth_flow(request)
            request = next(flow)
        return request


def _words(error: Exception) -> str:
    """Return the words of an error on one line; those of httpx do not name the address."""
    return " ".join(str(error).split()) or type(error).__name__
