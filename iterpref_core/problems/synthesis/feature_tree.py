"""Feature tree: what code is made of, how often, and how to draw from it (EpiCoder, arXiv 2501.04694)."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from iterpref_core.errors import InputError
from iterpref_core.input_files import read_text
from iterpref_core.storage.jsonl import atomic_writer, describe_validation_error

CATEGORIES = (
    "workflow",
    "implementation style",
    "functionality",
    "resource usage",
    "computation operation",
    "security",
    "user interaction",
    "data processing",
    "file operation",
    "error handling",
    "logging",
    "dependency relations",
    "algorithm",
    "data structures",
    "implementation logic",
    "advanced techniques",
)
"""The first level of every tree."""

SEPARATOR = " > "
"""Between the names of a path that is written as one text."""

FeaturePath = tuple[str, ...]
"""A feature and what it stands under, the category first."""


@dataclass
class Node:
    """A feature: in how many seeds it was found (or is thought to be), and the finer features below it."""

    frequency: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    children: "dict[str, Node]" = field(default_factory=dict)


@dataclass
class FeatureTree:
    """Features by category. `seeds` programs were looked at, and the tree was evolved `rounds` times."""

    seeds: int = 0
    rounds: int = 0
    categories: dict[str, Node] = field(default_factory=dict)

    def observe(self, paths: Iterable[FeaturePath]) -> None:
        """Count the features of one more seed: each once, and all that they stand under once.

        >>> tree = FeatureTree()
        >>> tree.observe([("algorithm", "search"), ("algorithm", "sorting")])
        >>> tree.observe([("algorithm", "sorting")])
        >>> tree.categories["algorithm"].frequency, tree.find(("algorithm", "sorting")).frequency
        (2, 2)
        """
        self.seeds += 1
        for prefix in dict.fromkeys(path[:length] for path in paths for length in range(1, len(path) + 1)):
            level = self._level(prefix[:-1])
            if prefix[-1] in level:
                level[prefix[-1]].frequency += 1
            else:
                level[prefix[-1]] = Node(1)

    def grow(self, paths: Iterable[FeaturePath]) -> int:
        """Add features that no seed was seen to have; returns how many are new. Known ones stay as they are.

        Nobody has counted a new feature, so its frequency is estimated: the mean of the siblings that were there
        before, so that it is drawn like an ordinary one of them; where it has none, its share of what it stands under.
        """
        return _graft(self.categories, nest(paths), above=1.0)

    def find(self, path: FeaturePath) -> Node:
        """A feature.

        Raises:
            KeyError: it is not there.
        """
        return self._level(path[:-1])[path[-1]]

    def _level(self, path: FeaturePath) -> dict[str, Node]:
        level = self.categories
        for name in path:
            level = level[name].children
        return level

    def sample(self, breadth: Sequence[int], temperature: float, random: Random) -> tuple[FeaturePath, ...]:
        """Draw a subtree: so many children, at most, on each level, the categories first; returns its leaves.

        Children are drawn without replacement, each with probability proportional to frequency ** (1 / temperature)
        among those that are left.
        """
        return tuple(_draw(self.categories, breadth, temperature, random, ()))

    def features(self) -> Iterator[FeaturePath]:
        """All features below the categories."""
        waiting: list[tuple[FeaturePath, Node]] = [((name,), node) for name, node in self.categories.items()]
        while waiting:
            path, node = waiting.pop()
            if len(path) > 1:
                yield path
            waiting.extend(((*path, name), child) for name, child in node.children.items())

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        with atomic_writer(path) as file:
            file.write(_TREE.dump_json(self, indent=1).decode() + "\n")


_TREE = TypeAdapter(FeatureTree)


def load_tree(path: Path) -> FeatureTree:
    """Read a tree that `FeatureTree.save` wrote.

    Raises:
        InputError: the file is absent or holds no tree.
    """
    try:
        return _TREE.validate_json(read_text(path, "--seed-code makes a tree"))
    except ValidationError as error:
        raise InputError(f"{path}: {describe_validation_error(error)}; make the tree again (--seed-code)") from None


def probabilities(frequencies: Sequence[float], temperature: float) -> list[float]:
    """Of drawing each: proportional to frequency ** (1 / temperature). High temperatures let rare features through.

    >>> [round(p, 3) for p in probabilities([1, 4], 1)], [round(p, 3) for p in probabilities([1, 4], 2)]
    ([0.2, 0.8], [0.333, 0.667])
    """
    logs = [math.log(frequency) for frequency in frequencies]
    # Relative to the largest: at a low temperature the powers themselves would overflow.
    weights = [math.exp((log - max(logs)) / temperature) for log in logs]
    return [weight / sum(weights) for weight in weights]


def _draw(
    level: dict[str, Node], breadth: Sequence[int], temperature: float, random: Random, path: FeaturePath
) -> Iterator[FeaturePath]:
    if not level or not breadth:
        yield path
        return
    left = list(level)
    for _ in range(min(breadth[0], len(left))):
        weights = probabilities([level[name].frequency for name in left], temperature)
        name = left.pop(random.choices(range(len(left)), weights)[0])
        yield from _draw(level[name].children, breadth[1:], temperature, random, (*path, name))


def nest(paths: Iterable[FeaturePath]) -> dict[str, Any]:
    """Paths as nested mappings.

    >>> nest([("algorithm", "search"), ("algorithm", "sorting", "stable")])
    {'algorithm': {'search': {}, 'sorting': {'stable': {}}}}
    """
    root: dict[str, Any] = {}
    for path in paths:
        level = root
        for name in path:
            level = level.setdefault(name, {})
    return root


def show(paths: Iterable[FeaturePath]) -> str:
    """Paths as JSON, for a model."""
    return json.dumps(nest(paths), indent=1, ensure_ascii=False)


def _graft(level: dict[str, Node], added: dict[str, Any], above: float) -> int:
    new = [name for name in added if name not in level]
    if new:
        estimate = fmean(node.frequency for node in level.values()) if level else above / len(new)
        level.update({name: Node(estimate) for name in new})
    return len(new) + sum(_graft(level[name].children, below, level[name].frequency) for name, below in added.items())
