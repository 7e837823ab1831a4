"""Read the prompts and solutions of benchmark tasks, to screen pairs against them."""

import ast
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import (
    COMPOSED,
    OWN_CODE,
    PUBLISHED,
    RecordError,
    is_null,
    parse_json_at,
    prompt_text,
    read_own_function,
    read_prompt,
    without_outline,
)
from iterpref_core.storage.items import read_items
from iterpref_core.storage.shards import other_split

HELDOUT = "heldout"
# Splits of this project's problems for training, in addition to the usual `train`.
_TRAINED_ON = ("student", "debugger", "codeflow")


_ALL = PUBLISHED.values()
# The fields of a task that are read, for every benchmark.
# This project's problems have `prompt`, `reference` and `task_id`; MBPP's first release has `text` and `code`.
PROMPTS = dict.fromkeys(("prompt", "text", *(name for data in _ALL for name in data.prompts)))
SOLUTIONS = dict.fromkeys(("reference", "code", *(name for data in _ALL for name in data.solutions)))
NAMES = dict.fromkeys(("task_id", *(data.task_id for data in _ALL)))


@dataclass(frozen=True)
class BenchmarkTask:
    """A task of a benchmark.

    Attributes:
        name: the task's id.
        prompts: the task's prompt, in each of the benchmark's forms.
        solutions: the benchmark's canonical solutions.
        composed: True for problems of this project's feature tree, whose prompts are all made of the same phrases.
        own_code: True for functions of somebody's own code, whose prompts are here without the outline of the module.
    """

    name: str
    prompts: tuple[str, ...]
    solutions: tuple[str, ...]
    composed: bool = False
    own_code: bool = False


def read_benchmark(path: Path, *, only_heldout: bool = False) -> Iterator[BenchmarkTask]:
    """Stream the tasks of a benchmark's JSONL file, without the splits for training and validation.

    Args:
        path: the file.
        only_heldout: leave out problems of every other split than `heldout`, and those without one, because this
            project may train on them.

    Raises:
        InputError: the file is absent.
        RecordError: a line is not a JSON object, or has neither a prompt nor a solution, or has one that is not text.
            A task that is skipped would let its copies pass.
    """
    for item in read_items(path):
        where = str(item.where)
        task = parse_json_at(item.text, item.where)
        stated = {name: value for name, value in task.items() if _is_stated(value)} if isinstance(task, dict) else {}
        if not stated.keys() & (PROMPTS | SOLUTIONS).keys():
            listed = ", ".join(PROMPTS | SOLUTIONS)
            raise RecordError(f"{where}: no text under any of the fields {listed}; give a benchmark's file")
        split = stated.get("split")
        if split != HELDOUT and (only_heldout or split in _TRAINED_ON or other_split(split, "test")):
            continue
        source = str(stated.get("source", ""))
        yield BenchmarkTask(
            name=next((str(task[name]) for name in NAMES if name in task), f"{path.name}:{item.number}"),
            prompts=_texts(stated, PROMPTS, where),
            solutions=_texts(stated, SOLUTIONS, where),
            composed=source == COMPOSED,
            own_code=source.startswith(OWN_CODE),
        )


def _is_stated(value: object) -> bool:
    return not is_null(value) and value not in ("", [])


def _texts(task: dict[str, object], names: Iterable[str], where: str) -> tuple[str, ...]:
    """Return the texts of a task's fields of these names, of messages all contents; blank ones count as absent.

    Raises:
        RecordError: a field holds something else.
    """
    texts: list[str] = []
    for name in names:
        value = task.get(name, [])
        if isinstance(value, list) and all(isinstance(text, str) for text in value):
            texts += value
            continue
        try:
            texts.append(prompt_text(read_prompt(value)))
        except ValueError as error:
            raise RecordError(f"{where}: field {name!r}: {error}; without it the task cannot be compared") from None
    return tuple(without_outline(text) for text in texts if text.strip())


# The beginning of a task's examples. A call of its function also begins them.
_EXAMPLES = re.compile(r"\s*(?:>>>|assert\b|(?:for )?examples?\b)", re.IGNORECASE)
_CODE = re.compile("^(?:def|class) |\"\"\"|'''", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def task_statement(prompt: str) -> str:
    r"""Return the statement in a prompt, without a signature and without the examples at its end; it may be empty.

    >>> task_statement("def add(a, b):\n    'Add two numbers. \\n    >>> add(1, 2)'\n")
    'Add two numbers.'
    """
    text = _FENCED.sub("", prompt)
    call = ""
    own = read_own_function(prompt)
    code = own["head"] if own else prompt
    # To parse every statement would take a third of the time of a check.
    if _CODE.search(code):
        with suppress(SyntaxError):
            tree = parse_source(code)
            kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            definitions = [node for node in tree.body if isinstance(node, kinds)]
            text = ast.get_docstring(definitions[-1] if definitions else tree) or text
            call = f"{definitions[-1].name}(" if definitions else ""
    # Everything from the first example on is left out, also the results of examples.
    lines = text.strip().split("\n")
    return "\n".join(takewhile(lambda line: not _EXAMPLES.match(line) and not (call and call in line), lines)).strip()
