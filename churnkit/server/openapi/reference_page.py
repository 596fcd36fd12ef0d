"""The API reference as one HTML page without scripts, rendered from the OpenAPI document."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["render_reference"]


def render_reference(document: dict[str, Any]) -> str:
    """Render operations, schemas and examples of an OpenAPI document.

    Parameters
    ----------
    document
        The OpenAPI document.

    Returns
    -------
    str
        A complete HTML page without scripts, styles or outside requests.

    Examples
    --------
    >>> page = render_reference({"info": {"title": "a <b>"}, "paths": {}, "components": {}})
    >>> "<h1>a &lt;b&gt;</h1>" in page
    True
    """
    title = escape(document["info"]["title"])
    parts = [
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>",
        '<meta name=viewport content="width=device-width"></head><body>',
        f"<h1>{title}</h1><p>{escape(document['info'].get('description', ''))} ",
        '<a href="openapi.json">OpenAPI document</a></p>',
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(path, method, operation)
    schemas = document["components"].get("schemas", {})
    for name, schema in schemas.items():
        parts += _schema(name, schema)
    return "".join([*parts, "</body></html>"])


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation.get('summary', ''))}. "
    yield f"{escape(operation.get('description', ''))}</p>"
    for parameter in operation.get("parameters", ()):
        yield f"<p>Parameter <code>{escape(parameter['name'])}</code> in {parameter['in']}: "
        yield f"{escape(parameter.get('description', ''))}</p>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<h3>Request body ({escape(media)})</h3>{_content(content)}"
    for status, response in operation.get("responses", {}).items():
        yield f"<h3>{status}: {escape(response.get('description', ''))}</h3>"
        for media, content in response.get("content", {}).items():
            yield f"<p>{escape(media)}</p>{_content(content)}"


def _content(content: dict[str, Any]) -> str:
    text = f"<p>{_type(content.get('schema', {}))}</p>"
    if "example" in content:
        text += f"<pre>{escape(json.dumps(content['example'], indent=1))}</pre>"
    return text


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<h2 id="{escape(name)}">{escape(name)}</h2><p>{escape(schema.get("description", ""))}</p>'
    required = set(schema.get("required", ()))
    if schema.get("properties"):
        yield "<table><tr><th>Field<th>Type<th>Required<th>Description</tr>"
        for field, item in schema["properties"].items():
            is_required = "yes" if field in required else "no"
            yield f"<tr><td><code>{escape(field)}</code><td>{_type(item)}<td>{is_required}"
            yield f"<td>{escape(item.get('description', item.get('title', '')))}</tr>"
        yield "</table>"


def _type(schema: dict[str, Any]) -> str:
    """Return a schema's type with its limits, as HTML; references are links."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(map(_type, schema[key]))
    kind = schema.get("type", "any")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if "items" in schema:
        text = f"{text} of {_type(schema['items'])}"
    limits = {
        key: schema[key]
        for key in ("const", "enum", "format", "minimum", "exclusiveMinimum", "maximum")
        if key in schema
    }
    return text + "".join(f"; {key}: {escape(json.dumps(value))}" for key, value in limits.items())
