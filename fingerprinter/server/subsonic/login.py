"""Logins of players: an API key, or a user name with the app password.

A player proves that it knows the password by a digest of it with a salt (``t`` and ``s``), so the
library keeps the app password as it is. It is therefore never a password that a person chose, and
it opens this read-only protocol only. An API key is the app password or the token of the service.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import md5

from fingerprinter.server.access import token_digest
from fingerprinter.server.subsonic.answers import Code, SubsonicError
from fingerprinter.server.subsonic.parameters import Parameters

USER = "listener"
"""Name of whoever logs in without a user name. All names are the same user."""

_NEXT_STEP = "`fingerprinter serve --app-password` makes one"


def new_app_password() -> str:
    """Return a new password of 128 random bits, in letters and digits that can be typed."""
    return secrets.token_hex(16)


def log_in(
    parameters: Parameters, *, is_trusted: bool, digest: str | None, app_password: str | None
) -> str:
    """Check the login of a request and return the name of its user.

    Parameters
    ----------
    parameters
        Parameters of the request.
    is_trusted
        Whether the client may listen without a login.
    digest
        Digest of the token of the service; None if the service needs no token, and then every login
        of a trusted client is right.
    app_password
        The password of players; None if none was made.

    Raises
    ------
    SubsonicError
        If the login is wrong, missing, or of several kinds at once.
    """
    has_key = "apiKey" in parameters
    if (has_key and "u" in parameters) or sum((has_key, "p" in parameters, "t" in parameters)) > 1:
        raise SubsonicError(
            Code.CONFLICTING_LOGINS, "send an API key, or u with p, or u with t and s"
        )
    user = parameters.text("u") or USER
    if is_trusted and digest is None:
        return user
    if has_key:
        key = parameters.required("apiKey")
        is_token = digest is not None and _is_same(token_digest(key), digest)
        if not is_token and (app_password is None or not _is_same(key, app_password)):
            raise SubsonicError(Code.WRONG_KEY, "this API key is wrong")
        return USER
    if not ("p" in parameters or "t" in parameters):
        if is_trusted:
            return user
        raise SubsonicError(Code.MISSING_PARAMETER, "send apiKey, or u with p, or u with t and s")
    parameters.required("u")
    if app_password is None:
        code = Code.NO_TOKEN_LOGIN if "t" in parameters else Code.NO_SUCH_LOGIN
        raise SubsonicError(code, f"this service has no app password; {_NEXT_STEP}")
    if "t" in parameters:
        salted = app_password + parameters.required("s")
        proof = md5(salted.encode(), usedforsecurity=False).hexdigest()
        is_right = _is_same(parameters.required("t").lower(), proof)
    else:
        is_right = _is_same(_plain(parameters.required("p")), app_password)
    if not is_right:
        raise SubsonicError(Code.WRONG_PASSWORD, "wrong user name or password")
    return user


def _plain(password: str) -> str:
    """Return a password that may be written as ``enc:`` and hexadecimal digits."""
    try:
        if password.startswith("enc:"):
            return bytes.fromhex(password[4:]).decode()
    except ValueError:
        pass  # then it is the password as it stands
    return password


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
