"""Stage graph of dvc.yaml, laid out: a row for each step of the longest way from the first stage."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

WIDTH, ROW, BOX, TOP = 520, 72, 46, 20
"""Of the picture: its width, the distance of two rows, a box's height, and where the first row begins."""
LEFT, RIGHT = 40, 480
"""Edges of the boxes; arrows that skip rows run outside of them."""
_GAP = 20


@dataclass(frozen=True)
class Stage:
    """A stage, or a group of them; `members` are the names of a group's, `writes` what a stage leaves for others."""

    name: str
    members: tuple[str, ...]
    writes: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class StageGraph:
    """Stages and the arrows between them, as SVG paths; an arrow that others imply is left out."""

    stages: tuple[Stage, ...]
    arrows: tuple[str, ...]
    height: float


@dataclass(frozen=True)
class _Instance:
    group: str
    needs: tuple[str, ...]
    writes: tuple[str, ...]


def lay_out(path: Path) -> StageGraph:
    """Lay out the stages of a dvc.yaml.

    Args:
        path: of the file; stages of a matrix or a loop are drawn as one box.
    """
    declared = _declared(path)
    instances = _instances(declared)
    edges = {(instances[needed].group, instances[name].group) for needed, name in _direct_needs(instances)}
    level = _levels(list(declared), edges)
    rows = [[name for name in declared if level[name] == number] for number in range(max(level.values()) + 1)]
    stages = {stage.name: stage for number, row in enumerate(rows) for stage in _place_row(row, declared, number)}
    arrows = [_arrow(stages[one], stages[other], level[other] - level[one]) for one, other in sorted(edges)]
    return StageGraph(tuple(stages.values()), tuple(arrows), TOP + ROW * len(rows) - (ROW - BOX) + TOP)


def stage_names(path: Path) -> list[str]:
    """The stages of a dvc.yaml, each of a matrix or a loop by its own name."""
    return list(_instances(_declared(path)))


def _declared(path: Path) -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    return stages


def _instances(declared: Mapping[str, Any]) -> dict[str, _Instance]:
    return {name: one for group, stage in declared.items() for name, one in _expand(group, stage).items()}


def _expand(group: str, stage: Mapping[str, Any]) -> dict[str, _Instance]:
    """The stages of a declaration, by their names."""
    if "foreach" in stage:
        values = [(key, {"item": item, "key": key}) for key, item in stage["foreach"].items()]
    elif "matrix" in stage:
        [(variable, items)] = stage["matrix"].items()
        values = [(item, {f"item.{variable}": item}) for item in items]
    else:
        return {group: _instance(group, stage, {})}
    return {f"{group}@{name}": _instance(group, _body(stage), variables) for name, variables in values}


def _instance(group: str, stage: Mapping[str, Any], variables: Mapping[str, str]) -> _Instance:
    def fill(text: str) -> str:
        for name, value in variables.items():
            text = text.replace(f"${{{name}}}", value)
        return text

    files = (name for kind in ("outs", "metrics") for name in stage.get(kind, ()))
    return _Instance(group, tuple(map(fill, stage["deps"])), tuple(map(fill, files)))


def _direct_needs(instances: Mapping[str, _Instance]) -> set[tuple[str, str]]:
    """(stage, stage that reads its outputs), without pairs that others imply."""
    reads = {name: {other for other in instances if _reads(one, instances[other])} for name, one in instances.items()}

    @cache
    def ancestors(name: str) -> frozenset[str]:
        return frozenset(reads[name]).union(*map(ancestors, reads[name]))

    return {
        (other, name)
        for name, needed in reads.items()
        for other in needed
        if not any(other in ancestors(between) for between in needed)
    }


def _reads(one: _Instance, other: _Instance) -> bool:
    return any(
        written == needed or written.startswith(f"{needed}/") for needed in one.needs for written in other.writes
    )


def _levels(names: list[str], edges: set[tuple[str, str]]) -> dict[str, int]:
    """Group → the longest way to it from a group that needs none, in arrows."""

    @cache
    def level(name: str) -> int:
        return max((1 + level(one) for one, other in edges if other == name), default=0)

    return {name: level(name) for name in names}


def _place_row(names: Sequence[str], declared: Mapping[str, Any], row: int) -> Iterator[Stage]:
    """Side by side, each as wide as what it writes is long."""
    writes = {name: re.sub(r"\$\{.*?\}", "…", ", ".join(_body(declared[name])["outs"])) for name in names}
    space, x = RIGHT - LEFT - _GAP * (len(names) - 1), float(LEFT)
    for name, text in writes.items():
        stage = declared[name]
        members = tuple(stage.get("foreach", {})) or tuple(next(iter(stage.get("matrix", {}).values()), ()))
        width = round(space * (len(text) + 3) / sum(len(other) + 3 for other in writes.values()))
        yield Stage(name, members, text, x, TOP + row * ROW, width)
        x += width + _GAP


def _body(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a stage does; of a loop, what it does with each."""
    body: Mapping[str, Any] = stage.get("do", stage)
    return body


def _arrow(start: Stage, end: Stage, rows: int) -> str:
    """Straight down to the next row; past other rows along the nearer edge of the picture."""
    x, y, to_y = start.x + start.width / 2, start.y + BOX, end.y
    if rows == 1:
        to_x = min(max(x, end.x + 20), end.x + end.width - 20)
        if start.width > end.width:
            x = to_x = end.x + end.width / 2
        return f"M{x:g} {y:g}L{to_x:g} {to_y - 2:g}"
    side, into = (start.x, end.x) if x < WIDTH / 2 else (start.x + start.width, end.x + end.width)
    lane = 14 if x < WIDTH / 2 else WIDTH - 14
    middle, to_middle = start.y + BOX / 2, end.y + BOX / 2
    stop = into - 2 if lane < into else into + 2
    return f"M{side:g} {middle:g}H{lane:g}V{to_middle:g}H{stop:g}"
