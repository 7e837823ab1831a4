"""Reference of params.yaml: each parameter's type, value and comment."""

import re
from pathlib import Path
from typing import Any

import yaml

from docs.website.schema_types import Schema, describe, table
from iterpref_core.config import Params

_COMMENT = re.compile(r"(?:^|\s)# (.*)")
_HEAD = """# Parameters

Every parameter of `params.yaml`: its name, what it may be, the value in the file, and the comment there, with the
paper's value where the paper gives one. `iterpref profile NAME` writes another set of values
([own-model.md](own-model.md)). An unknown name, or a value that is not allowed, is an error.
"""


def parameters_page(params: Path) -> str:
    """The page, in Markdown.

    Args:
        params: the file whose values and comments it shows.
    """
    text = params.read_text(encoding="utf-8")
    values, comments = yaml.safe_load(text), comments_of(text)
    schema = Params.model_json_schema()
    sections = [_HEAD]
    for name, section in schema["properties"].items():
        model = _resolve(section, schema)
        rows = _rows(model, schema, name, values[name], comments)
        comment = f"In the file: {comments[name]}\n" if name in comments else ""
        head = ("parameter", "may be", "value", "comment")
        sections.append("\n".join([f"## {name}\n", f"{model['description']}\n", comment, table(head, rows)]))
    return "\n".join(sections)


def _rows(
    model: Schema, schema: Schema, prefix: str, values: dict[str, Any], comments: dict[str, str]
) -> list[tuple[str, ...]]:
    """A row for each value below a section; one for a section, too, where it has a comment of its own."""
    rows: list[tuple[str, ...]] = []
    for name, field in _fields(model, values).items():
        key, below = f"{prefix}.{name}", _resolve(field, schema)
        deeper = below.get("properties") or isinstance(below.get("additionalProperties"), dict)
        comment = comments.get(key, "")
        if not deeper or comment or not values.get(name):
            kind = describe(below, str) if not below.get("properties") else "section"
            shown = "" if deeper and values.get(name) else _as_yaml(values.get(name))
            rows.append((f"`{key}`", kind, shown, comment))
        if deeper:
            rows += _rows(below, schema, key, values.get(name) or {}, comments)
    return rows


def _as_yaml(value: Any) -> str:
    """A value as it may stand in params.yaml, on one line, as code."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return f"`{text.splitlines()[0]}`"


def _fields(model: Schema, values: dict[str, Any]) -> dict[str, Schema]:
    """The fields of a section; of a mapping, an entry for each name in the file."""
    each = model.get("additionalProperties")
    return dict.fromkeys(values, each) if isinstance(each, dict) else model.get("properties", {})


def _resolve(field: Schema, schema: Schema) -> Schema:
    found: Schema = schema["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    return found


def comments_of(text: str) -> dict[str, str]:
    """The comments of a YAML file, by the dotted key whose line they end; the outermost, where a line has several.

    A comment that ends in a comma goes on in the next line; any other line of its own speaks of the key below it.
    """
    comments: dict[str, str] = {}
    keys: dict[int, str] = {}
    _find_keys(yaml.compose(text), "", keys)
    key, above = "", ""
    for number, line in enumerate(text.splitlines()):
        found = _COMMENT.search(line)
        comment = "; *".join(re.split(r"\s{2,}", found[1], maxsplit=1)) if found else ""
        comment += "*" * comment.count("; *")
        if number in keys:
            key = keys[number]
            if said := "; ".join(filter(None, [above, comment])):
                comments[key] = said
            above = ""
        elif comments.get(key, "").endswith(","):
            comments[key] += f" {comment}"
        elif line.startswith(" ") and comment:
            above = comment
    return comments


def _find_keys(node: Any, prefix: str, keys: dict[int, str]) -> None:
    """Note which key begins on which line."""
    if not isinstance(node, yaml.MappingNode):
        return
    for name, value in node.value:
        if name.value != "<<":
            key = f"{prefix}{name.value}"
            keys.setdefault(name.start_mark.line, key)
            _find_keys(value, f"{key}.", keys)
