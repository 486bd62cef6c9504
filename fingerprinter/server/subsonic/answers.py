"""Answers in the envelope of the protocol, as JSON or XML, and its errors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Any
from xml.etree import ElementTree as Xml

from starlette.responses import Response

from fingerprinter.server.version import version

API_VERSION = "1.16.1"
Payload = dict[str, Any]

_NAMESPACE = "http://subsonic.org/restapi"
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Code(IntEnum):
    """Codes of errors that this service sends."""

    GENERIC = 0
    MISSING_PARAMETER = 10
    WRONG_PASSWORD = 40
    NO_TOKEN_LOGIN = 41
    NO_SUCH_LOGIN = 42
    CONFLICTING_LOGINS = 43
    WRONG_KEY = 44
    FORBIDDEN = 50
    NOT_FOUND = 70


class SubsonicError(Exception):
    """A request that is answered with an error of the protocol."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def answer(payload: Mapping[str, Any], form: str) -> Response:
    """Return an answer that reports success.

    Parameters
    ----------
    payload
        The elements of the answer.
    form
        "json"; everything else is XML.
    """
    return _enveloped({"status": "ok"}, payload, form)


def failure(error: SubsonicError, form: str) -> Response:
    """Return an answer that reports an error. Its status is 200, as the protocol has it."""
    detail = {"code": int(error.code), "message": str(error)}
    return _enveloped({"status": "failed"}, {"error": detail}, form)


def _enveloped(status: Payload, payload: Mapping[str, Any], form: str) -> Response:
    head = {
        **status,
        "version": API_VERSION,
        "type": "fingerprinter",
        "serverVersion": version(),
        "openSubsonic": True,
    }
    if form == "json":
        text = json.dumps({"subsonic-response": head | dict(payload)}, ensure_ascii=True)
        return Response(text, media_type="application/json")
    root = _element("subsonic-response", {"xmlns": _NAMESPACE, **head, **payload})
    return Response(Xml.tostring(root, "utf-8", xml_declaration=True), media_type="text/xml")


def _element(name: str, value: Any) -> Xml.Element:
    """Return a value as an element: scalars are attributes, and ``value`` is its text."""
    element = Xml.Element(name)
    if not isinstance(value, Mapping):
        element.text = _text(value)
        return element
    for key, item in value.items():
        if isinstance(item, list):
            element.extend(_element(key, each) for each in item)
        elif isinstance(item, Mapping):
            element.append(_element(key, item))
        elif key == "value":
            element.text = _text(item)
        else:
            element.set(key, _text(item))
    return element


def _text(value: Any) -> str:
    """Return a scalar as text; characters that XML cannot hold are replaced."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _NO_XML.sub("\ufffd", text)
