"""Define the records that stages exchange, with the fields of the JSONL files.

The files omit fields that are None. Unknown fields of foreign data are ignored; a problem and its tests
refuse them, since the content of a misspelt field would be lost. A field whose meaning changes gets another name, so
that old files are not misread.
"""

import hashlib
import json
from collections import Counter
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from .digest import digest_of
from .prompt_messages import Answer, Prompt
from .statement import statement_digest

# Verdicts that show no failure.
UNDECIDED = ("passed", "infra_error")
# The outcome of a program. `truncated`: the answer was cut off at its length limit, and the program does not pass.
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

# The `source` of problems from this project's feature tree.
COMPOSED = "synthetic"

# The prefix of `source` in problems made of a project's code; the project's name follows.
OWN_CODE = "own_code:"

# Half-open character offsets [start, end) into a program's text.
Span = tuple[int, int]


class Record(BaseModel):
    """The base of all records: immutable, compared by value, one JSON object a line.

    Attributes:
        example: a valid line, shown in messages about invalid lines; empty for records that are never written by hand.
        hint: a further remedy for a missing field.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    example: ClassVar[str] = ""
    hint: ClassVar[str] = ""

    def to_json(self) -> str:
        """Return the record as a line of JSON without its newline; non-ASCII text is kept readable."""
        return self.model_dump_json(exclude_none=True)


class IoTest(Record, extra="forbid"):
    """A test that evaluates an expression: the value must equal a Python literal.

    Attributes:
        call: an expression, such as `f([1, 2])`.
        expected: a Python literal.
        atol: decimal numbers at any depth may differ by 1e-7 of the larger number, or by `atol`; integers must be
            equal. None: all must be equal.
        tuples_as_lists: a tuple equals a list of the same items, as in the graders of APPS, verl and LiveCodeBench.
    """

    example = '{"kind": "io", "call": "f(1)", "expected": "2"}'

    kind: Literal["io"] = "io"
    call: str
    expected: str
    atol: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    tuples_as_lists: bool | None = None


class AssertTest(Record, extra="forbid"):
    """A test of statements that raise AssertionError when the program is wrong."""

    example = '{"kind": "assert", "code": "assert f(1) == 2"}'

    kind: Literal["assert"] = "assert"
    code: str


class UnittestTest(Record, extra="forbid"):
    """A test with the source of one or more `unittest.TestCase` classes."""

    example = (
        '{"kind": "unittest", "code": "import unittest\\nclass T(unittest.TestCase):\\n'
        '    def test_f(self): self.assertEqual(f(1), 2)\\n"}'
    )

    kind: Literal["unittest"] = "unittest"
    code: str


class PytestTest(Record, extra="forbid"):
    """A test file for pytest; the file imports the solution as the module `solution`."""

    example = '{"kind": "pytest", "code": "from solution import f\\n\\ndef test_f():\\n    assert f(1) == 2\\n"}'

    kind: Literal["pytest"] = "pytest"
    code: str


class StdinTest(Record, extra="forbid"):
    """A test of a script by its standard input and the expected standard output.

    Outputs are compared token by token; white space separates tokens. Tokens match if they are equal, as text or as
    decimal numbers: `3.0` matches `3`.

    Attributes:
        input: the whole of standard input.
        output: the whole of standard output.
        tolerance: largest difference, absolute or relative, to an expected number; a number within it matches;
            integers that are expected must be met exactly.
        ignore_case: `Yes` matches `YES`.
        checker: source of a function `check(input, expected, printed) -> bool`, which replaces the comparison; the
            function runs as a program of its own.
    """

    example = '{"kind": "stdin", "input": "1 2\\n", "output": "3\\n"}'

    kind: Literal["stdin"] = "stdin"
    input: str
    output: str
    tolerance: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    ignore_case: bool = False
    checker: str | None = None


class ScriptTest(Record, extra="forbid"):
    """A test script that imports the solution by module name.

    Attributes:
        module: name of the solution in the script's imports.
        files: the script and the files that it needs, by path; the program works in the same folder.
        run: path of the script among `files`.
        packages: packages that have to be installed.
        environment: name of the interpreter in `execution.environments`; None: this project's own.
    """

    example = (
        '{"kind": "script", "module": "solution", "run": "test.py", '
        '"files": {"test.py": "from solution import f\\nassert f(1) == 2\\n"}}'
    )

    kind: Literal["script"] = "script"
    module: str
    files: dict[str, str]
    run: str
    packages: tuple[str, ...] = ()
    environment: str | None = None

    @property
    def code(self) -> str:
        """Return the source of the script."""
        return self.files[self.run]

    @model_validator(mode="after")
    def _has_its_script(self) -> Self:
        if self.run not in self.files:
            raise ValueError(f"'run' names {self.run!r}, which is not in 'files'")
        return self


Test = Annotated[IoTest | AssertTest | UnittestTest | PytestTest | StdinTest | ScriptTest, Field(discriminator="kind")]
# Kind of a test → a test of that kind, for messages.
TEST_EXAMPLES = {
    test.model_fields["kind"].default: test.example
    for test in (IoTest, AssertTest, UnittestTest, PytestTest, StdinTest, ScriptTest)
}


class SourceRow(Record):
    """The row of a data set, or the function of a project, that a record is made of.

    Attributes:
        dataset: id of the set on the hub; None for local files.
        file: the file's name, within its set, folder or project.
        row: line of a file of lines, or number of the row in another file, from 1.
        revision: commit of the set or project.
        digest: SHA-256 of a file without a revision.
        license: SPDX of the row, or else of its set.
    """

    dataset: str | None = None
    file: str
    row: int
    revision: str | None = None
    digest: str | None = None
    license: str | None = None


Provenance = tuple[SourceRow, ...]


class Problem(Record, extra="forbid"):
    """A programming task with executable tests.

    Attributes:
        task_id: unique name.
        prompt: the task, as the model reads it: a text, or messages.
        entry_point: name that the tests call; empty if the program is a script.
        tests: visible tests; their feedback reaches the model during CodeFlow.
        hidden_tests: tests for scoring alone; no model reads anything about them.
        reference: a right program.
        setup: code that runs before the program, such as imports that every program finds.
        source: the set that the problem is from, `COMPOSED`, or `OWN_CODE` and a project's name.
        features: the combination of features that a composed problem is made of; splits share no combination.
        split: the problem's part of the experiment, such as `codeflow` or `heldout`.
        time_limit_s: CPU seconds for each test, if the source limits them.
        license: an SPDX expression.
        inside: all tests run inside, in the program's own process, since the reference passes there alone.
        provenance: the row that the problem is from; of several submissions, the first.
    """

    example = (
        '{"task_id": "one", "prompt": "Add 1 to n.", "entry_point": "f", '
        '"tests": [{"kind": "io", "call": "f(1)", "expected": "2"}]}'
    )
    hint = "rows of published sets become problems first: iterpref ingest FILE --format humaneval --out problems.jsonl"

    task_id: str = Field(min_length=1)
    prompt: Prompt
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
    inside: bool | None = None
    provenance: Provenance | None = None

    @field_validator("prompt")
    @classmethod
    def _has_a_task(cls, prompt: Prompt) -> Prompt:
        if not prompt:
            raise ValueError("the text is empty")
        return prompt

    @property
    def gives_pairs(self) -> bool:
        """Return True for a problem whose programs the student may be trained on; those of other splits are held out.

        What makes trajectories or pairs takes these problems alone, since a pair does not show its problem's split.
        """
        return self.split in (None, "codeflow")

    @property
    def own_code(self) -> bool:
        """Return True for a problem made of somebody's own code, which must not leave the machine with private data."""
        return self.source.startswith(OWN_CODE)

    @property
    def tests_digest(self) -> str:
        """Return a digest of setup, visible and hidden tests: equal digests test programs alike."""
        # Omit fields that are None, so that a new field does not change the digests of old problems.
        tested = self.model_dump(include={"tests", "hidden_tests", "setup"}, exclude_none=True)
        return digest_of(tested, 16)

    @property
    def identity(self) -> str:
        """Return a digest of statement and tests: problems with the same one are one problem, under any names."""
        identity = f"{statement_digest(self.prompt)}/{self.tests_digest}"
        return hashlib.sha256(identity.encode()).hexdigest()[:12]


class Sample(Record):
    """A candidate program: `solution` is a whole program, `completion` continues the problem's prompt.

    If a row has both, `solution` counts, as in EvalPlus. `base_status` and `plus_status` are EvalPlus's own verdicts.
    """

    example = '{"task_id": "one", "solution": "def f(n): ..."}'

    task_id: str
    solution: str | None = None
    completion: str | None = None
    base_status: str | None = None
    plus_status: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_text(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        if fields.get("solution") is not None:
            return {**fields, "completion": None}
        if fields.get("completion") is None:
            raise ValueError("give 'solution' or 'completion'")
        return fields


class Result(Record):
    """The verdict on one sample; `sample` numbers the samples of a task from 0.

    `inside` is the number of its tests that ran inside, in the process of the program, which can lie to them.
    """

    task_id: str
    sample: int
    verdict: Verdict
    feedback: str
    tests_passed: int
    tests_total: int
    isolation: str
    inside: int = 0


class Attempt(Record):
    """A version of a program in a trajectory; iteration 0 is the draft. Samples are numbered alike.

    `verdict` comes from the visible tests, and for versions that pass these, `hidden` from the hidden ones. `inside` is
    the number of tests that ran inside, in the process of the program, which can lie to them. `model` is the model that
    wrote the version: a hub id, a name at an endpoint, or a folder's name. `provenance` is the row of a submission.
    """

    iteration: int
    code: str
    verdict: Verdict
    feedback: str = ""
    inside: int = 0
    model: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    hidden: Verdict | None = None
    provenance: Provenance | None = None

    @property
    def fails_hidden(self) -> bool:
        """Return True if the version passes the visible tests and fails the hidden ones."""
        return self.hidden not in (None, *UNDECIDED)


class Trajectory(Record):
    """The attempts at one problem, in order: a draft and its refinements, or independent samples.

    Attributes:
        task_id: name of the problem.
        solved: an attempt passes the visible tests.
        attempts: the versions of the program.
        missing: the reasons why answers are missing, if any are.
        tests: digest of the problem's tests, which were the same for every attempt.
        provenance: the problem's provenance.
    """

    example = (
        '{"task_id": "one", "solved": true, "attempts": ['
        '{"iteration": 0, "code": "def f(n): ...", "verdict": "wrong_answer"}, '
        '{"iteration": 1, "code": "def f(n): return n", "verdict": "passed"}]}'
    )

    task_id: str
    solved: bool
    attempts: tuple[Attempt, ...]
    missing: tuple[str, ...] | None = None
    tests: str | None = None
    provenance: Provenance | None = None


def unnumbered(task_id: str) -> str:
    """Return a pair's name without its number (`#2`), which in files without `problem_id` follows the problem's name.

    >>> unnumbered("t7#2"), unnumbered("t7"), unnumbered("c#/t7")
    ('t7', 't7', 'c#/t7')
    """
    # "c#/t7" has a mark, but no number after it.
    name, mark, number = task_id.rpartition("#")
    return name if mark and name and number.isdecimal() else task_id


def take_name(name: str, names: Counter[str]) -> str:
    """Return a name that is not in use, with a number if needed: `a`, `a#2`, `a#3`.

    Args:
        name: the name that is wanted.
        names: the names in use → the last number after each; the new name is added.
    """
    # The second "a" is called "a#2".
    number = names[name] + 1
    taken = name if number == 1 else f"{name}#{number}"
    # Another row may already be called `a#2`.
    while taken in names:
        number += 1
        taken = f"{name}#{number}"
    names[name] = number
    names[taken] = max(names[taken], 1)
    return taken


class PreferencePair(Record):
    """A program that passes (`chosen`) and an earlier version, or another sample, that fails (`rejected`).

    Attributes:
        task_id: the pair's own name.
        prompt: the task, as the model reads it: a text, or messages.
        rejected: None for a program alone, which is replayed: it takes part in the NLL and in no preference term.
        problem_id: the `task_id` of the pair's problem, which several pairs may share; None in files of other origin.
        license: an SPDX expression: the license of the problem or of the row that the pair is from.
        split: of another name for it, too: `validation` keeps the pair from training, and its loss is scored; a row of
            a split such as `test` is refused there.
        tested: True if tests of the pair's set have judged the two programs; False if only the set calls one right
            and one wrong. None: CodeFlow made the pair, or it is unknown.
        provenance: the row of the pair or of its problem; of submissions, the rows of both programs.
        rejected_spans: the error region D- as characters of `rejected`; empty if the region is; None: not marked yet.
        chosen_spans: its counterpart D+ as characters of `chosen`.
        localization: the method that found the region; None for a region from somewhere else.
        chosen_by: the model that wrote `chosen`, as in `Attempt.model`; None if it is unknown.
        rejected_by: the model that wrote `rejected`.
        nll: the mean NLL of the tokens of `chosen` under a model that has scored the pair (`iterpref check`), in nats.
        logp_margin: that model's log-probability of `chosen` minus its log-probability of `rejected`, in nats.
    """

    example = '{"task_id": "one", "prompt": "...", "chosen": "def f(n): ...", "rejected": "..."}'

    task_id: str
    prompt: Prompt
    chosen: Answer
    rejected: Answer | None = None
    problem_id: str | None = None
    license: str | None = None
    split: str | None = None
    tested: StrictBool | None = None
    provenance: Provenance | None = None
    rejected_spans: tuple[Span, ...] | None = None
    chosen_spans: tuple[Span, ...] | None = None
    localization: str | None = None
    chosen_by: str | None = None
    rejected_by: str | None = None
    nll: float | None = None
    logp_margin: float | None = None

    @field_validator("rejected_spans", "chosen_spans", mode="before")
    @classmethod
    def _spans_in_a_text(cls, value: Any) -> Any:
        # A cell of CSV is a text: `[[4, 9]]`.
        return (json.loads(value) if value.strip() else None) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _spans_inside(self) -> Self:
        for field in ("rejected", "chosen"):
            program = getattr(self, field) or ""
            for start, end in getattr(self, f"{field}_spans") or ():
                if not 0 <= start <= end <= len(program):
                    raise ValueError(
                        f"{field}_spans: [{start}, {end}] lies outside of the program, which has {len(program)} "
                        "characters (blanks alone are none); correct it, or leave both columns out, and "
                        "`iterpref localize` marks the pair"
                    )
        return self

    @field_validator("split", "tested", "provenance", "chosen_by", "rejected_by", "nll", "logp_margin", mode="wrap")
    @classmethod
    def _of_this_meaning(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        # Files of other origin may use this name for something else.
        try:
            return read(value)
        except ValidationError:
            return None

    @field_validator("license", mode="before")
    @classmethod
    def _license_as_text(cls, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        raise ValueError(
            f"a license is an SPDX expression in a text, not {type(value).__name__}; `iterpref ingest --format trl` "
            "reads lists of texts"
        )

    @property
    def problem(self) -> str:
        """Return the `task_id` of the pair's problem; without a `problem_id` it is taken from the pair's name."""
        return unnumbered(self.task_id) if self.problem_id is None else self.problem_id


class ModelLineage(Record):
    """The origin of a checkpoint, in a file next to its weights.

    Attributes:
        base: hub id or folder's name of the model that training started from; `nanolab` for an embedded model, which
            is trained from scratch.
        revision: commit of the base, if the base is a hub id.
        base_weights: fingerprint of the base's weights.
        license: license in the base's card, if the base is a folder.
        objective: name in the table of objectives; None: no preference training.
        settings: settings of the training, the objective's row among them.
        pairs: number of pairs trained on, without those kept for validation.
        replay: number of programs alone trained on; None without any.
        steps: number of optimizer steps that training took.
        model_step: the step whose weights were kept.
        localization: methods that found the error regions.
        data: MD5 of the file of pairs, as in dvc.lock.
        versions: versions of Python and packages.
        commit: git's commit of the code that trained it, with `, edited` after it if files differed; None if unknown.
        surviving_change: share of the weights' change that is left after rounding to the written precision.
        before: the base's own lineage, if the base has one.
    """

    base: str
    revision: str | None = None
    base_weights: str | None = None
    license: str | None = None
    objective: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    pairs: int | None = None
    replay: int | None = None
    steps: int
    model_step: int | None = None
    localization: tuple[str, ...] = ()
    data: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str]
    commit: str | None = None
    surviving_change: float | None = None
    before: "ModelLineage | None" = None
