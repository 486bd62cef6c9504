"""The page `/docs`: the OpenAPI document for people, without a script and without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any


def documentation_page(document: dict[str, Any], root_path: str) -> str:
    """Return the page of an OpenAPI document as HTML.

    Parameters
    ----------
    document : dict
        The document.
    root_path : str
        Path under which the service is reached.
    """
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            section = "".join(_operation(document, method, path, operation))
            groups.setdefault(operation.get("tags", ["other"])[0], []).append(section)
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(each)}" for tag, each in groups.items())
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: API</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<h1>{title}: API</h1><p>{escape(document['info']['description'])} "
        f'Machines read <a href="{escape(root_path)}/openapi.json">openapi.json</a>.</p>{body}'
    )


def _operation(
    document: dict[str, Any], method: str, path: str, operation: dict[str, Any]
) -> Iterator[str]:
    """Yield the pieces of one operation."""
    yield f"<details><summary><code>{method.upper()} {escape(path)}</code> "
    yield f"{escape(operation['summary'])}</summary>"
    if operation.get("description") not in (None, operation["summary"]):
        yield f"<p>{escape(operation['description'])}</p>"
    if operation.get("parameters"):
        rows = "".join(map(_parameter, operation["parameters"]))
        yield "<table><tr><th>parameter</th><th>in</th><th>type</th><th>default</th><th></th></tr>"
        yield f"{rows}</table>"
    yield f"<pre>{escape(_command(document, method, path, operation))}</pre>"
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            for kind, content in answer.get("content", {}).items():
                schema = content.get("schema")
                sample = example(document, schema) if schema and "json" in kind else None
                shown = (
                    "" if sample is None else f"<pre>{escape(json.dumps(sample, indent=2))}</pre>"
                )
                yield f"<p>{status}: <code>{escape(kind)}</code></p>{shown}"
    yield "</details>"


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    kinds = [each.get("type", "") for each in schema.get("anyOf", [schema])]
    cells = (
        parameter["name"] + ("" if not parameter.get("required") else " (required)"),
        parameter["in"],
        " or ".join(kind for kind in kinds if kind != "null"),
        json.dumps(schema["default"]) if "default" in schema else "",
        parameter.get("description", ""),
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _command(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    """Return a call of curl as an example."""
    words = ["curl", *([] if method == "get" else ["-X", method.upper()])]
    body = operation.get("requestBody", {}).get("content", {})
    if "application/json" in body:
        sample = json.dumps(example(document, body["application/json"]["schema"]))
        words += ["-H", "'Content-Type: application/json'", "-d", f"'{sample}'"]
    elif body:
        words += ["--data-binary", "@clip.wav"]
    required = [
        f"{each['name']}={_value(document, each)}"
        for each in operation.get("parameters", [])
        if each.get("required") and each["in"] == "query"
    ]
    for each in operation.get("parameters", []):
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", "1")
    query = f"?{'&'.join(required)}" if required else ""
    return " ".join([*words, f"'http://127.0.0.1:8765{path}{query}'"])


def _value(document: dict[str, Any], parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    return str(schema.get("examples", [example(document, schema)])[0])


def example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return an example of a schema: its own, or one made of its types."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("examples"):
        return schema["examples"][0]
    if "anyOf" in schema:
        return example(document, schema["anyOf"][0])
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: example(document, each) for name, each in properties.items()}
    if kind == "array":
        items = schema.get("items") or schema.get("prefixItems", [{}])[0]
        return [example(document, items)]
    if schema.get("format") == "date-time":
        return "2026-11-29T12:00:00Z"
    return {"integer": 1, "number": 0.5, "boolean": True, "string": "text"}.get(kind or "")
