"""Read the feature tree of the synthetic problems, which is kind of input x position x predicate x map x reduce.

A leaf has phrases for the instruction and a fragment of code for the reference. A problem takes one leaf of each
branch, or two map leaves, which are applied one after the other. To add a feature, add a leaf; to add a kind
of input, add an `InputKind`. Inspired by the feature trees that IterPref's problems are synthesized from (arXiv
2503.02783, section 3.1, after EpiCoder).
"""

import tomllib
from ast import literal_eval
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from random import Random


@dataclass(frozen=True)
class Feature:
    """A leaf: a name, phrases with the same meaning, and a fragment of code with fields such as `{x}` (`InputKind`)."""

    name: str
    phrases: tuple[str, ...]
    code: str


@dataclass(frozen=True)
class InputKind:
    """A kind of input, such as a list of numbers, with the branches of its features.

    In code fragments `{p}` is the parameter, `{x}` the loop variable (`{k}` and `{v}` for a loop over two), and `{s}`
    the sequence from the step before.

    Attributes:
        name: name in a problem's features.
        those: words that join a predicate's phrase to the sentence.
        parameter: name of the parameter.
        loop: loop variable, such as `n` or `k, v`.
        positions: leaves that select items by position.
        predicates: leaves that select items by value.
        maps: leaves that change each item.
        reduces: leaves that make the result.
        edge_cases: arguments that every problem is tested on.
        draw: draws a random argument.
    """

    name: str
    those: str
    parameter: str
    loop: str
    positions: tuple[Feature, ...]
    predicates: tuple[Feature, ...]
    maps: tuple[Feature, ...]
    reduces: tuple[Feature, ...]
    edge_cases: tuple[object, ...]
    draw: Callable[[Random], object]


def _draw_numbers(random: Random) -> list[int]:
    return [random.randint(-9, 20) for _ in range(random.randint(4, 7))]


def _draw_text(random: Random) -> str:
    alphabet = "aabcdeefghiklmnooprstuABCDEORST0123579  _-"
    return "".join(random.choice(alphabet) for _ in range(random.randint(5, 9)))


def _draw_table(random: Random) -> dict[str, int]:
    keys = ("a", "b", "fig", "kiwi", "pear", "Plum", "Lime", "apple", "mango", "ox", "Elm", "onion", "c3", "d4")
    chosen = random.sample(keys, random.randint(3, 5))
    return {key: random.randint(-5, 15) for key in chosen}


_DRAW = {"numbers": _draw_numbers, "text": _draw_text, "table": _draw_table}


def _read_kinds() -> tuple[InputKind, ...]:
    """Return the kinds of input of features.toml."""
    text = (files(__package__) / "features.toml").read_text(encoding="utf-8")
    kinds = []
    for name, kind in tomllib.loads(text).items():
        for branch in ("positions", "predicates", "maps", "reduces"):
            leaves = kind[branch].items()
            kind[branch] = tuple(Feature(leaf, tuple(phrases), code) for leaf, (code, *phrases) in leaves)
        kind["edge_cases"] = tuple(map(literal_eval, kind["edge_cases"]))
        kinds.append(InputKind(name=name, draw=_DRAW[name], **kind))
    return tuple(kinds)


KINDS = _read_kinds()
