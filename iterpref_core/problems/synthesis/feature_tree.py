"""Keep the features of code with their frequencies in a tree, to draw from (EpiCoder, arXiv 2501.04694)."""

import heapq
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from iterpref_core.records import InputError, read_text
from iterpref_core.storage.jsonl import describe_validation_error, write_text

# The first level of every tree.
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

# The text between the names of a path.
SEPARATOR = " > "

# A feature with the features above it, the category first.
FeaturePath = tuple[str, ...]


@dataclass
class Node:
    """A feature: the number of seeds that have the feature, counted or estimated, and the finer features below."""

    frequency: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    children: "dict[str, Node]" = field(default_factory=dict)


@dataclass
class FeatureTree:
    """A tree of features.

    Attributes:
        seeds: the number of programs that were observed.
        rounds: the number of times the tree was evolved.
        categories: the first level.
    """

    seeds: int = 0
    rounds: int = 0
    categories: dict[str, Node] = field(default_factory=dict)

    def observe(self, paths: Iterable[FeaturePath]) -> None:
        """Count the features of one more seed, and the features above them, each once.

        >>> tree = FeatureTree()
        >>> tree.observe([("algorithm", "search"), ("algorithm", "sorting")])
        >>> tree.observe([("algorithm", "sorting")])
        >>> tree.categories["algorithm"].frequency, tree.categories["algorithm"].children["sorting"].frequency
        (2, 2)
        """
        self.seeds += 1
        _count(self.categories, nest(paths))

    def grow(self, paths: Iterable[FeaturePath]) -> int:
        """Add features that were not observed in any seed, and return the number of new ones.

        A new feature has no count, so its frequency is estimated. With siblings it is their mean, so that the new
        feature is drawn like an ordinary sibling. Without siblings it is an equal share of the frequency above. Known
        features stay as they are.
        """
        return _graft(self.categories, nest(paths), above=1.0)

    def sample(
        self,
        breadth: Sequence[int],
        temperature: float,
        random: Random,
    ) -> tuple[FeaturePath, ...]:
        """Draw a subtree and return its leaves.

        Children are drawn without replacement, each with probability proportional to frequency ** (1 / temperature)
        among the remaining ones.

        Args:
            breadth: the largest number of children on each level, the categories first.
            temperature: at most 1 favors frequent features; a high temperature lets rare features through.
            random: the source of every draw.
        """
        return tuple(_draw(self.categories, breadth, temperature, random, ()))

    def size(self) -> int:
        """Return the number of features below the categories."""
        waiting = list(self.categories.values())
        # The list grows while the loop reads it.
        for node in waiting:
            waiting += node.children.values()
        return len(waiting) - len(self.categories)

    def save(self, path: Path) -> None:
        """Write the tree as JSON, whole or not at all."""
        write_text(path, _TREE.dump_json(self, indent=1).decode() + "\n")


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


def _draw(
    level: dict[str, Node],
    breadth: Sequence[int],
    temperature: float,
    random: Random,
    path: FeaturePath,
) -> Iterator[FeaturePath]:
    if not level or not breadth:
        yield path
        return

    def moment(name: str) -> float:
        # To draw without replacement, give each feature a random moment with a rate of its frequency, and take the
        # earliest ones (Efraimidis and Spirakis 2006). In logarithms, since powers overflow at a low temperature.
        return math.log(random.expovariate(1.0)) - math.log(level[name].frequency) / temperature

    for name in heapq.nsmallest(breadth[0], level, key=moment):
        yield from _draw(level[name].children, breadth[1:], temperature, random, (*path, name))


def nest(paths: Iterable[FeaturePath]) -> dict[str, Any]:
    """Return paths as nested mappings.

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
    """Return paths as JSON, for a model."""
    return json.dumps(nest(paths), indent=1, ensure_ascii=False)


def _count(level: dict[str, Node], observed: dict[str, Any]) -> None:
    for name, below in observed.items():
        node = level.setdefault(name, Node(0))
        node.frequency += 1
        _count(node.children, below)


def _graft(level: dict[str, Node], added: dict[str, Any], above: float) -> int:
    # With siblings of frequencies 4 and 2, a new feature gets their mean, 3. Two first children of a feature with
    # frequency 4 get half of it each, 2.
    new = [name for name in added if name not in level]
    siblings = [node.frequency for node in level.values()]
    for name in new:
        level[name] = Node(fmean(siblings) if siblings else above / len(new))
    return len(new) + sum(_graft(level[name].children, below, level[name].frequency) for name, below in added.items())
