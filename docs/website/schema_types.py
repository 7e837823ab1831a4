"""What a JSON schema allows, in words."""

from collections.abc import Callable, Sequence
from typing import Any

Schema = dict[str, Any]
_BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
_BOUNDS |= {"minLength": "≥ {} characters", "minItems": "≥ {} items", "maxItems": "≤ {} items", "pattern": "`{}`"}
_NAMES = {"null": "`null`", "object": "mapping"}


def describe(schema: Schema, name_of: Callable[[str], str]) -> str:
    """The values that a schema allows.

    Args:
        schema: of one field, as pydantic writes it.
        name_of: what another model is called here, by its name.

    >>> describe({"type": "integer", "exclusiveMinimum": 0}, str)
    'integer (> 0)'
    >>> describe({"anyOf": [{"enum": ["auto"], "type": "string"}, {"type": "array", "items": {"type": "string"}}]}, str)
    '`auto` or list of string'
    """
    if "$ref" in schema:
        return name_of(schema["$ref"].rpartition("/")[2])
    if found := schema.get("anyOf") or schema.get("oneOf"):
        return _either([describe(each, name_of) for each in found])
    if "const" in schema or "enum" in schema:
        return _either([f"`{value}`" for value in schema.get("enum", [schema.get("const")])])
    if "prefixItems" in schema:
        return f"list of {', '.join(describe(item, name_of) for item in schema['prefixItems'])}"
    bounds = ", ".join(text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema)
    return f"{_kind(schema, name_of)} ({bounds})" if bounds else _kind(schema, name_of)


def _either(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else names[0]


def _kind(schema: Schema, name_of: Callable[[str], str]) -> str:
    kind: str = schema.get("type", "any value")
    if kind == "array":
        return f"list of {describe(schema['items'], name_of)}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"mapping of names to {describe(schema['additionalProperties'], name_of)}"
    return _NAMES.get(kind, kind)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown, whose cells stand below each other on a phone (theme/main.html); empty without rows."""
    lines = [head, ("---",) * len(head), *rows]
    cells = [" | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in line) for line in lines]
    return (
        "\n".join(["<div class=stacked markdown>\n", *(f"| {line} |" for line in cells), "\n</div>\n"]) if rows else ""
    )
