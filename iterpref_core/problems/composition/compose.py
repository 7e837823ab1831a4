"""Write the instruction, the reference solution and the tests of a combination of features."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from iterpref_core.records import COMPOSED, IoTest, Problem

from .features import KINDS, Feature, InputKind

ENTRY_POINT = "solve"
# The share of problems whose map step is a composition of two.
TWO_STEP_SHARE = 0.3
# Tests whose feedback reaches the debugger. The first three have ordinary arguments, then the edge cases follow.
VISIBLE_TESTS = 6
# Tests for scoring alone, on other arguments.
HIDDEN_TESTS = 6

_WORDINGS = (
    "Write `{signature}`: take {position}, keep {those} {predicate}, {maps} and return {reduce}.",
    "Write `{signature}`. From {position} keep only the ones {predicate}, then {maps}. Return {reduce}.",
    "`{signature}` should take {position}, select {those} {predicate}, {maps}, and give back {reduce}.",
)


@dataclass(frozen=True)
class Combination:
    """A leaf of each branch; `maps` has one leaf or two different ones."""

    kind: InputKind
    position: Feature
    predicate: Feature
    maps: tuple[Feature, ...]
    reduce: Feature

    @property
    def features(self) -> tuple[str, ...]:
        """Return the names of the leaves, which identify the combination."""
        maps = "+".join(leaf.name for leaf in self.maps)
        return (self.kind.name, self.position.name, self.predicate.name, maps, self.reduce.name)


def draw_combinations(random: Random) -> Iterator[Combination]:
    """Yield distinct combinations in random order, kinds in turn, until nearly all of the tree is used up."""
    seen: set[tuple[str, ...]] = set()
    misses = 0
    # After this many repeated draws in a row, the tree is nearly used up.
    while misses < 10_000:
        kind = KINDS[len(seen) % len(KINDS)]
        steps = 2 if random.random() < TWO_STEP_SHARE else 1
        combination = Combination(
            kind,
            random.choice(kind.positions),
            random.choice(kind.predicates),
            tuple(random.sample(kind.maps, steps)),
            random.choice(kind.reduces),
        )
        misses += 1
        if combination.features not in seen:
            misses = 0
            seen.add(combination.features)
            yield combination


def write_reference(combination: Combination) -> str:
    """Return the reference solution, with one line for each step.

    >>> from iterpref_core.problems.composition.features import KINDS
    >>> k = KINDS[0]
    >>> c = Combination(k, k.positions[1], k.predicates[0], (k.maps[0],), k.reduces[0])
    >>> print(write_reference(c), end="")
    def solve(nums):
        part = nums[::2]
        kept = [n for n in part if n % 2 == 0]
        done = [n * 2 for n in kept]
        return sum(done)
    """
    parameter = combination.kind.parameter
    loop = combination.kind.loop
    # Leaves are code with fields: "{x} % 2 == 0" becomes "n % 2 == 0". A loop over a dictionary has two variables,
    # "key, value", and leaves name each of them.
    names = {"p": parameter, "x": loop}
    item = loop
    if "," in loop:
        names["k"], names["v"] = loop.split(", ")
        item = f"({loop})"
    position = combination.position.code.format(**names)
    predicate = combination.predicate.code.format(**names)
    lines = [
        f"def {ENTRY_POINT}({parameter}):",
        f"    part = {position}",
        f"    kept = [{item} for {loop} in part if {predicate}]",
    ]
    # One map step makes `done` of `kept`, a second one `more` of `done`.
    source = "kept"
    for target, leaf in zip(("done", "more"), combination.maps, strict=False):
        lines.append(f"    {target} = [{leaf.code.format(**names)} for {loop} in {source}]")
        source = target
    lines.append(f"    return {combination.reduce.code.format(s=source, **names)}")
    return "\n".join(lines) + "\n"


def write_instruction(combination: Combination, random: Random) -> str:
    """Return an instruction for the combination, in a random wording."""
    return random.choice(_WORDINGS).format(
        signature=f"{ENTRY_POINT}({combination.kind.parameter})",
        position=random.choice(combination.position.phrases),
        those=combination.kind.those,
        predicate=random.choice(combination.predicate.phrases),
        maps=", then ".join(random.choice(leaf.phrases) for leaf in combination.maps),
        reduce=random.choice(combination.reduce.phrases),
    )


def compose_problem(
    combination: Combination,
    task_id: str,
    split: str,
    random: Random,
) -> Problem:
    """Return a problem; every expected value comes from running the reference.

    Args:
        combination: the leaves.
        task_id: the problem's id.
        split: the problem's split.
        random: source of wording, names and arguments.
    """
    reference = write_reference(combination)
    tests = _write_tests(combination.kind, reference, random)
    return Problem(
        task_id=task_id,
        prompt=write_instruction(combination, random),
        entry_point=ENTRY_POINT,
        tests=tests[:VISIBLE_TESTS],
        hidden_tests=tests[VISIBLE_TESTS:],
        reference=reference,
        source=COMPOSED,
        features=combination.features,
        split=split,
    )


def _write_tests(
    kind: InputKind,
    reference: str,
    random: Random,
) -> tuple[IoTest, ...]:
    """Return tests on edge cases and random arguments, all different, with the reference's results."""
    namespace: dict[str, object] = {}
    exec(compile(reference, "<reference>", "exec"), namespace)
    solve = namespace[ENTRY_POINT]
    assert callable(solve)
    edge_cases = {repr(argument): argument for argument in kind.edge_cases}
    drawn: dict[str, object] = {}
    while len(drawn) < VISIBLE_TESTS + HIDDEN_TESTS - len(edge_cases):
        argument = kind.draw(random)
        if repr(argument) not in edge_cases:
            drawn.setdefault(repr(argument), argument)
    # Three ordinary arguments come first, since their failures help a debugger more than edge cases do.
    arguments = dict(list(drawn.items())[:3]) | edge_cases | drawn
    return tuple(
        IoTest(call=f"{ENTRY_POINT}({text})", expected=repr(solve(argument))) for text, argument in arguments.items()
    )
