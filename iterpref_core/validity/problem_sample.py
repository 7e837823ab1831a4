"""Problem sample: random problems of a file, and their tests as text, for a model or a human to judge."""

import heapq
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from iterpref_core.errors import InputError
from iterpref_core.records import Problem, Test
from iterpref_core.storage.jsonl import read_jsonl

LONGEST = 24_000
"""Characters of tests that are shown. More tire a reader, do not fit a spreadsheet's cell (32,767), and cost a model
more than they tell it."""


def draw_problems(path: Path, size: int, seed: int, split: str | None = None) -> list[Problem]:
    """Draw problems from a file without holding it, in random order: the first of them are a sample, too.

    The order is that of a hash of seed and `task_id`, so that a problem stays in the sample when others come or go.

    Args:
        path: JSONL of `Problem`.
        size: how many; all of them where there are fewer.
        seed: decides which.
        split: of this split alone; None for all.

    Raises:
        RecordError: a line is broken, or repeats a task_id.
        InputError: there is no problem to draw.
    """
    wanted = (item for item in read_jsonl(path, Problem, unique=True) if split in (None, item.split))
    drawn = heapq.nsmallest(size, wanted, key=lambda item: sha256(f"{seed}/{item.task_id}".encode()).hexdigest())
    if not drawn:
        raise InputError(f"{path}: holds no problem{f' of the split {split!r}' if split else ''}; give another file")
    return drawn


def show_tests(problem: Problem) -> str:
    """All tests of a problem, the hidden ones last, as a programmer would write them.

    Where they are too long, the first ones are shown whole, and the text says how many are not.

    >>> from iterpref_core.records import IoTest
    >>> tests = (IoTest(call="f(1)", expected="2"), IoTest(call="f(2)", expected="3"))
    >>> print(show_tests(Problem(task_id="p", prompt="Add one.", entry_point="f", tests=tests)))
    assert f(1) == 2
    assert f(2) == 3
    """
    parts = [part for test in problem.tests + problem.hidden_tests for part in _as_text(test)]
    if problem.setup:
        parts.insert(0, f"# runs first\n{problem.setup.rstrip()}")
    shown, length = [], 0
    for part in parts:
        length += len(part) + 1
        if length > LONGEST:
            break
        shown.append(part)
    if len(shown) < len(parts):
        shown.append(f"# {len(parts) - len(shown)} more, not shown")
    return "\n".join(shown)


def _as_text(test: Test) -> Iterator[str]:
    match test.kind:
        case "io":
            yield f"assert {test.call} == {test.expected}"
        case "script":
            for name, content in test.files.items():
                yield f"# {name}, which imports the solution as {test.module}\n{content.rstrip()}"
        case _:
            yield test.code.rstrip()
