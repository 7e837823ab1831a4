"""Reference of the records that stages exchange: what each is, its fields, and one as it stands in a file."""

import inspect
import json
import re

from pydantic.fields import FieldInfo

from docs.website.schema_types import describe, table
from iterpref_core import records
from iterpref_core.records import Record

_HEAD = """# Records

What stages write and read as JSONL: one JSON object a line. A field that is `null` is left out. A record of another
version than the one named here is refused; its line says the version (`schema_version`) from 2 on.
"""
_ATTRIBUTE = re.compile(r"(?m)^ {4}(\w+): ((?:.*)(?:\n {6,}.*)*)")


def all_records() -> list[type[Record]]:
    """The kinds of records of `iterpref_core.records`, in the order in which they stand there."""
    kinds = vars(records).values()
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Record) and kind is not Record]


def records_page() -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, *map(_section, all_records())])


def _section(kind: type[Record]) -> str:
    text, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:\n")
    said = dict(_ATTRIBUTE.findall(attributes))
    schema = kind.model_json_schema()
    own = schema if "properties" in schema else schema["$defs"][kind.__name__]  # one that has itself as a field
    rows = [
        (
            f"`{name}`",
            describe(field, lambda other: f"[{other}](#{other.lower()})"),
            _default(kind.model_fields[name]),
            *([said.get(name, "")] if said else []),
        )
        for name, field in own["properties"].items()
    ]
    shown = table(("field", "type", "default", "meaning")[: 4 if said else 3], rows)
    example = f"```json\n{kind.example}\n```\n" if kind.example else ""
    return "\n".join([f"## {kind.__name__}\n", f"{text}\n", f"Version {kind.schema_version}.\n", shown, example])


def _default(field: FieldInfo) -> str:
    """The value of a field that a line leaves out."""
    return "required" if field.is_required() else f"`{json.dumps(field.get_default(call_default_factory=True))}`"
