"""Form: the types of the flows' parameters, as Prefect's pages show and check them."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from iterpref_core.records.errors import unknown_name
from iterpref_core.records.input_files import read_yaml
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


StageTarget = Annotated[str, AfterValidator(_check_stage), WithJsonSchema({"type": "string", "enum": stage_names()})]
Jobs = Annotated[int, Field(ge=1, le=64)]
Values = dict[str, Any]
"""Parameters by dotted key."""
Grid = dict[str, list[Any]]
"""Parameters by dotted key, each with the list of its values."""
