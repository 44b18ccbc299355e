"""Types of the page's modules, made from the description of the API.

`make types` writes them; a test holds the file to the description.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from services.api.app import create_app

FILE = Path(__file__).parents[2] / "services/api/page/api_types.d.ts"
HEAD = "// Made by `make types` from the description of the API.\n"
_PLAIN = {
    "string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null",
}  # fmt: skip


def page_types() -> str:
    """Returns the file's text."""
    settings = SimpleNamespace(
        api=SimpleNamespace(trusted_proxies=[]), storage_public_url=None, cameras={}
    )
    ports = SimpleNamespace(settings=settings, keys=SimpleNamespace(door_open=False))
    app = create_app(cast("Any", ports), lambda: None, lambda: None)
    schemas: dict[str, Any] = app.openapi()["components"]["schemas"]
    return HEAD + "".join(
        f"\nexport type {name} = {_type(schemas[name])};\n" for name in sorted(schemas)
    )


def _type(schema: Any, indent: str = "") -> str:
    if not isinstance(schema, dict):
        return "unknown"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return " | ".join(_literal(each) for each in schema["enum"])
    for many in ("anyOf", "oneOf"):
        if many in schema:
            return " | ".join(dict.fromkeys(_type(each, indent) for each in schema[many]))
    kind = schema.get("type")
    if kind == "array":
        return _list(schema, indent)
    if kind == "object":
        return _object(schema, indent)
    return _PLAIN.get(kind, "unknown") if isinstance(kind, str) else "unknown"


def _list(schema: dict[str, Any], indent: str) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(_type(each, indent) for each in schema['prefixItems'])}]"
    inner = _type(schema.get("items"), indent)
    return f"({inner})[]" if "|" in inner else f"{inner}[]"


def _object(schema: dict[str, Any], indent: str) -> str:
    properties = schema.get("properties")
    if not properties:
        return f"{{ [name: string]: {_type(schema.get('additionalProperties'), indent)} }}"
    required = set(schema.get("required", ()))
    deeper = f"{indent}  "
    lines = [
        f"{deeper}{name}{'' if name in required else '?'}: {_type(each, deeper)};"
        for name, each in properties.items()
    ]
    return "\n".join(["{", *lines, f"{indent}}}"])


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


if __name__ == "__main__":
    FILE.write_text(page_types())
