"""Form: the types of the flows' parameters, as Prefect's pages show and check them."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from iterpref_core.config import Params
from iterpref_core.errors import unknown_name
from iterpref_core.input_files import read_yaml
from tasks.paths import GRAPH
from tasks.stage_name import StageName


def stage_names() -> list[str]:
    """Return the names of all stages and groups: `training`, `training@sft`, `training@dpo` and so on."""
    if not GRAPH.is_file():
        return []
    names = []
    for group, content in read_yaml(GRAPH)["stages"].items():
        names.append(group)
        for item in content.get("foreach", ()):
            names.append(str(StageName(group, item)))
    return names


def _check_stage(name: str) -> str:
    names = stage_names()
    if name not in names:
        raise ValueError(unknown_name("stage", name, names))
    return name


def _key_patterns(schema: Mapping[str, Any], sections: Mapping[str, Any], key: str = "") -> Iterator[str]:
    r"""Yield patterns of all dotted keys: `training\.beta`, and of a free mapping `training\.arguments\..+`."""
    for choice in (schema, *schema.get("anyOf", ())):
        if "$ref" in choice:
            yield from _key_patterns(sections[choice["$ref"].rpartition("/")[2]], sections, key)
            continue
        further = choice.get("additionalProperties")
        below = {re.escape(name): section for name, section in choice.get("properties", {}).items()}
        if isinstance(further, Mapping):
            below["[^.]+"] = further
        elif further:
            yield rf"{key}\..+"
        for name, section in below.items():
            inner = rf"{key}\.{name}" if key else name
            if "$ref" not in section:  # a section is no value
                yield inner
            yield from _key_patterns(section, sections, inner)


_SCHEMA = Params.model_json_schema()
_KEYS = "|".join(sorted(set(_key_patterns(_SCHEMA, _SCHEMA["$defs"]))))
_VALUES = WithJsonSchema({"type": "object", "propertyNames": {"pattern": f"^({_KEYS})$"}})

StageTarget = Annotated[str, AfterValidator(_check_stage), WithJsonSchema({"type": "string", "enum": stage_names()})]
Jobs = Annotated[int, Field(ge=1, le=64)]
Values = Annotated[dict[str, Any], _VALUES]
"""Parameters by dotted key."""
Grid = Annotated[dict[str, list[Any]], _VALUES]
"""Parameters by dotted key, each with the list of its values."""
