"""Run options, typed: Prefect's form and its checks are made from these types."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from iterpref_core.config import Benchmark, Beta, Seed
from iterpref_core.errors import ConfigError, unknown_name
from iterpref_core.objectives.objectives import ObjectiveName
from iterpref_core.storage.jsonl import describe_validation_error
from tasks.orchestration.profiles import PROFILES

UNCHANGED = "unchanged"
"""Stands for no profile: the values of params.yaml as they are."""


class OneOf:
    """A string that is one of some names, which files of the workspace give. The form offers them in a list."""

    def __init__(self, kind: str, names: Callable[[], Sequence[str]]) -> None:
        self.kind = kind
        self.names = names

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the name when the parameters are checked."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """List the names; in a folder that has none, any string."""
        names = list(self.names())
        return {"type": "string"} | ({"enum": names} if names else {})

    def _check(self, name: str) -> str:
        names = self.names()
        if name not in names:
            raise ValueError(unknown_name(self.kind, name, names))
        return name


def profile_names() -> list[str]:
    """The profiles of this workspace, after the word for none."""
    return [UNCHANGED, *sorted(path.stem for path in PROFILES.glob("*.yaml"))]


def stage_names(graph: Path = Path("dvc.yaml")) -> list[str]:
    """The stages of dvc.yaml, each group under its own name too; read without DVC, whose import takes a second."""
    if not graph.is_file():
        return []
    names = []
    for name, stage in yaml.safe_load(graph.read_text(encoding="utf-8"))["stages"].items():
        keys = [*stage.get("foreach", ()), *(key for values in stage.get("matrix", {}).values() for key in values)]
        names += [name, *(f"{name}@{key}" for key in keys)]
    return names


ProfileName = Annotated[str, OneOf("profile", profile_names)]
StageName = Annotated[str, OneOf("stage", stage_names)]
Jobs = Annotated[int, Field(ge=1, le=64)]


class Choice(BaseModel):
    """By what one run differs from the workspace it was asked in; nothing chosen means nothing differs.

    Attributes:
        profile: whose values replace those of params.yaml; `UNCHANGED` for none.
        objectives: to train, in place of dvc.yaml's.
        benchmarks: in place of `evaluation.benchmarks`.
        seed: in place of `training.seed`.
    """

    model_config = ConfigDict(frozen=True)

    profile: ProfileName = UNCHANGED
    objectives: tuple[ObjectiveName, ...] = ()
    benchmarks: tuple[Benchmark, ...] = ()
    seed: Seed | None = None

    def values(self) -> dict[str, Any]:
        """Dotted parameter → value, besides those of the profile."""
        values: dict[str, Any] = {}
        if self.benchmarks:
            values["evaluation.benchmarks"] = list(dict.fromkeys(self.benchmarks))
        if self.seed is not None:
            values["training.seed"] = self.seed
        return values


Benchmarks = Annotated[tuple[Benchmark, ...], Field(min_length=1)]


class _Choices(BaseModel):
    """The parameters of the flow `experiment` that a command line gives."""

    profile: ProfileName
    objectives: tuple[ObjectiveName, ...]
    benchmarks: tuple[Benchmark, ...]
    seeds: tuple[Seed, ...]


class _Grid(BaseModel):
    """The parameters of the flow `sweep` that a command line gives."""

    objectives: tuple[ObjectiveName, ...]
    betas: tuple[Beta, ...]
    seeds: tuple[Seed, ...]
    benchmarks: Benchmarks


def parse_choice(
    profile: str, objectives: Sequence[str], benchmarks: Sequence[str], seeds: Sequence[int]
) -> dict[str, Any]:
    """The parameters of the flow `experiment`, from what a command line was given.

    Raises:
        ConfigError: one of them cannot be chosen.
    """
    return _parse(_Choices, profile=profile, objectives=objectives, benchmarks=benchmarks, seeds=seeds)


def parse_grid(
    objectives: Sequence[str], betas: Sequence[float], seeds: Sequence[int], benchmarks: Sequence[str]
) -> dict[str, Any]:
    """The parameters of the flow `sweep`, from what a command line was given.

    Raises:
        ConfigError: one of them cannot be chosen.
    """
    return _parse(_Grid, objectives=objectives, betas=betas, seeds=seeds, benchmarks=benchmarks)


def _parse(model: type[BaseModel], **values: object) -> dict[str, Any]:
    try:
        return model.model_validate(values).model_dump()
    except ValidationError as error:
        raise ConfigError(describe_validation_error(error)) from None
