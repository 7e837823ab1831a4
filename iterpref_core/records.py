"""Records that cross stages, frozen, exactly as they stand in the JSONL files.

Optional fields that are None are left out of the files. Unknown fields of foreign data are ignored; those of a problem
and of its tests are not, since what a misspelt one says would be lost.
Whoever changes what a field means gives it another name, so that no file is read as something that it is not.
"""

import hashlib
import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

UNDECIDED = ("passed", "infra_error")
"""Verdicts that show no failure."""
Verdict = Literal[
    "passed",
    "wrong_answer",
    "exception",
    "syntax_error",
    "timeout",
    "memory",
    "crash",
    "exited_early",
    "output_limit",
    "bad_return_type",
    "tampered",
    "truncated",
    "infra_error",
]
"""What became of a program. `truncated`: the answer ended at the limit of its length, and the program does not pass."""

COMPOSED = "synthetic"
"""The `source` of problems from this project's feature tree."""

OWN_CODE = "own_code:"
"""How the `source` of a problem begins that was made of a project's code; the project's name follows."""

Span = tuple[int, int]
"""Half-open character offsets [start, end) into a program's text."""
_LINE = re.compile(r"(?=[\s\S])([^\r\n]*)(?:\r\n|\n|\r|\Z)")


class Record(BaseModel):
    """Base of all records: immutable, compared by value, one JSON object a line.

    Attributes:
        example: one as it stands in a file, for messages about others; empty for those that nobody writes by hand.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    example: ClassVar[str] = ""

    def to_json(self) -> str:
        """One line of JSON without its newline; non-ASCII text is kept readable."""
        return self.model_dump_json(exclude_none=True)


class IoTest(Record, extra="forbid"):
    """Call an expression; the value must equal a Python literal, in its type too, at every depth.

    Attributes:
        call: an expression, such as `f([1, 2])`.
        expected: a Python literal.
        atol: numbers at any depth are right within 1e-7 of the expected one relatively plus so much absolutely;
            `1` and `1.0` are equal then.
        tuples_as_lists: a tuple is as right as a list of the same items, as APPS's, verl's and LiveCodeBench's graders
            have it.
    """

    example: ClassVar[str] = '{"kind": "io", "call": "f(1)", "expected": "2"}'

    kind: Literal["io"] = "io"
    call: str
    expected: str
    atol: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    tuples_as_lists: bool | None = None


class AssertTest(Record, extra="forbid"):
    """Statements that raise AssertionError when the program is wrong."""

    kind: Literal["assert"] = "assert"
    code: str


class UnittestTest(Record, extra="forbid"):
    """Source of one or more `unittest.TestCase` classes."""

    kind: Literal["unittest"] = "unittest"
    code: str


class PytestTest(Record, extra="forbid"):
    """Source of a file that pytest runs; it imports the solution as the module `solution`."""

    example: ClassVar[str] = (
        '{"kind": "pytest", "code": "from solution import f\\n\\ndef test_f():\\n    assert f(1) == 2\\n"}'
    )

    kind: Literal["pytest"] = "pytest"
    code: str


class StdinTest(Record, extra="forbid"):
    """What a script reads on standard input, and what it must print on standard output.

    The two outputs are compared token by token; white space separates tokens. Tokens are right if they are equal, or
    if they are equal as decimal numbers: `3.0` is right for `3`.

    Attributes:
        input: the whole of standard input.
        output: the whole of standard output.
        tolerance: also right is a number that differs by at most so much, absolutely or relative to the expected one.
            It does not hold where the expected token is an integer.
        ignore_case: `Yes` is right for `YES`.
        checker: source of a function `check(input, expected, printed) -> bool`, which decides alone. It runs as a
            program of its own.
    """

    example: ClassVar[str] = '{"kind": "stdin", "input": "1 2\\n", "output": "3\\n"}'

    kind: Literal["stdin"] = "stdin"
    input: str
    output: str
    tolerance: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    ignore_case: bool = False
    checker: str | None = None


class ScriptTest(Record, extra="forbid"):
    """A test script that imports the solution by module name.

    Attributes:
        module: that the solution is imported as.
        files: the script and what else it needs, by path. The program works in the same folder.
        run: which of the files is the script.
        judge_files: what the program must not see, such as expected output; the script finds them as it does `files`.
        packages: that have to be installed.
        environment: names the interpreter that it needs, among `execution.environments`; None is this project's own.
    """

    kind: Literal["script"] = "script"
    module: str
    files: dict[str, str]
    run: str
    judge_files: dict[str, str] | None = None
    packages: tuple[str, ...] = ()
    environment: str | None = None


Test = Annotated[IoTest | AssertTest | UnittestTest | PytestTest | StdinTest | ScriptTest, Field(discriminator="kind")]


class Problem(Record, extra="forbid"):
    """A programming task with executable tests.

    `tests` are visible: their feedback reaches the model during CodeFlow. `hidden_tests` are only ever
    used for scoring: nothing about them reaches a model. `features` name the combination the problem was
    composed from; splits are made by combination. `entry_point` is empty where the program is a script.
    `time_limit_s` are CPU seconds for each test, where its source limits them. `license` is an SPDX expression.
    """

    example: ClassVar[str] = (
        '{"task_id": "one", "prompt": "Add 1 to n.", "entry_point": "f", '
        '"tests": [{"kind": "io", "call": "f(1)", "expected": "2"}]}'
    )

    task_id: str = Field(min_length=1)
    prompt: str = Field(min_length=1)
    entry_point: str = ""
    tests: tuple[Test, ...]
    hidden_tests: tuple[Test, ...] = ()
    reference: str | None = None
    setup: str | None = None
    source: str = ""
    features: tuple[str, ...] = ()
    split: str | None = None
    time_limit_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    license: str | None = None

    @property
    def own_code(self) -> bool:
        """Whether it was made of somebody's own code, which must not leave the machine with private data in it."""
        return self.source.startswith(OWN_CODE)

    @property
    def tests_digest(self) -> str:
        """A digest of what programs are judged by: setup, visible and hidden tests."""
        judges = self.model_dump(include={"tests", "hidden_tests", "setup"}, exclude_none=True)
        return hashlib.sha256(json.dumps(judges, sort_keys=True).encode()).hexdigest()[:16]


class Sample(Record):
    """A candidate program: `solution` is whole, `completion` goes on with the problem's prompt.

    Of a row with both, `solution` counts, as EvalPlus reads it.
    """

    example: ClassVar[str] = '{"task_id": "one", "solution": "def f(n): ..."}'

    task_id: str
    solution: str | None = None
    completion: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_text(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        if fields.get("solution") is not None:
            return {**fields, "completion": None}
        if fields.get("completion") is None:
            raise ValueError("one of 'solution' and 'completion' must be given")
        return fields


class Result(Record):
    """The verdict on one sample; `sample` counts the samples of a task from 0. Timings live elsewhere."""

    task_id: str
    sample: int
    verdict: Verdict
    feedback: str
    tests_passed: int
    tests_total: int
    isolation: str


class Attempt(Record):
    """One version of a program in a trajectory; iteration 0 is the draft. Samples are numbered alike.

    `verdict` is of the visible tests. `hidden` is of the hidden ones, for versions that pass the visible tests.
    """

    iteration: int
    code: str
    verdict: Verdict
    feedback: str
    prompt_tokens: int
    completion_tokens: int
    hidden: Verdict | None = None

    @property
    def fails_hidden(self) -> bool:
        """Whether it passes the visible tests and fails the hidden ones."""
        return self.hidden not in (None, *UNDECIDED)


class Trajectory(Record):
    """All attempts at one problem, in order: versions that follow from each other, or samples that do not.

    `solved` is about the visible tests. `refused`: prompts that the model's server refused to answer. `tests`: a digest
    of the problem's tests, which were the same for every attempt.
    """

    task_id: str
    solved: bool
    attempts: tuple[Attempt, ...]
    refused: int | None = None
    tests: str | None = None


def unnumbered(task_id: str) -> str:
    """Return a pair's name without the number that told pairs of one problem apart before they had a `problem_id`.

    >>> unnumbered("t7#2"), unnumbered("t7"), unnumbered("c#/t7")
    ('t7', 't7', 'c#/t7')
    """
    name, mark, number = task_id.rpartition("#")
    return name if mark and name and number.isdecimal() else task_id


class PreferencePair(Record):
    """A program that passes (`chosen`) and an earlier version, or another sample, that fails (`rejected`).

    Attributes:
        task_id: the pair's own name.
        problem_id: the `task_id` of the pair's problem, which several pairs may share; None in files of other origin.
    """

    example: ClassVar[str] = '{"task_id": "one", "prompt": "...", "chosen": "def f(n): ...", "rejected": "..."}'

    task_id: str
    prompt: str
    chosen: str
    rejected: str
    problem_id: str | None = None

    @property
    def problem(self) -> str:
        """Return the `task_id` of the pair's problem: in a file without `problem_id` what its name begins with."""
        return unnumbered(self.task_id) if self.problem_id is None else self.problem_id


class ModelLineage(Record):
    """What a checkpoint was made of, as it stands beside the weights.

    Attributes:
        base: hub id or folder's name of the model that training started from; `nanolab` for an embedded one, which has
            none.
        revision: of a hub id, its commit.
        base_weights: fingerprint of that model.
        license: what the base's own card says, where the base is a folder.
        objective: the row of the table of objectives; None: no preference training.
        settings: of that training, the objective's row among them.
        pairs: that were trained on, without those kept for validation.
        steps: of the optimizer; `model_step` is the one whose weights these are.
        localization: the methods that the spans name.
        data: MD5 of the files of pairs and spans, by which DVC knows them.
        versions: of Python and packages.
        surviving_change: the share of the weights' change that rounding to the written precision left.
        before: the record of the base, where it has one.
    """

    base: str
    revision: str | None = None
    base_weights: str | None = None
    license: str | None = None
    objective: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    pairs: int | None = None
    steps: int
    model_step: int | None = None
    localization: tuple[str, ...] = ()
    data: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str]
    surviving_change: float | None = None
    before: "ModelLineage | None" = None


class FocalSpans(Record):
    """The error region D- of a pair, and its counterpart in the chosen text, as character offsets."""

    example: ClassVar[str] = '{"task_id": "one", "method": "line_lcs", "rejected": [[4, 9]], "chosen": [[4, 8]]}'

    task_id: str
    method: str
    rejected: tuple[Span, ...]
    chosen: tuple[Span, ...]


class TokenShift(Record):
    """The log-probability (nats) of one token before and after training; [start, end) are its characters."""

    start: int
    end: int
    before: float
    after: float

    @property
    def change(self) -> float:
        """What training added to the log-probability, nats."""
        return self.after - self.before


class PairShifts(Record):
    """What training did to every token of a pair's programs."""

    task_id: str
    chosen: tuple[TokenShift, ...]
    rejected: tuple[TokenShift, ...]


def line_spans(text: str) -> list[Span]:
    r"""Character offsets of the lines, without their ends.

    >>> line_spans("a = 1\r\nb = 2")
    [(0, 5), (7, 12)]
    """
    return [line.span(1) for line in _LINE.finditer(text)]


def split_lines(text: str) -> list[str]:
    """The lines of a text without their ends; none for an empty text."""
    return [text[start:end] for start, end in line_spans(text)]
