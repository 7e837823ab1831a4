"""Let a model write the docstrings that tested functions lack, and keep those from which a program can be written."""

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from iterpref_core.execution import Engine, program_of
from iterpref_core.models.inference.backend import Model, Request, Sampling, ask_all
from iterpref_core.models.inference.finish_reasons import check_answered
from iterpref_core.models.prompts.drafts import draft_request, draft_sampling, drafted_program
from iterpref_core.models.prompts.structured_answers import TEMPERATURE, ask_parsed, read_object
from iterpref_core.models.prompts.templates import fill
from iterpref_core.programs.source_code.private_data import find_private
from iterpref_core.records import CodeflowParams, Problem, derive_seed, question
from iterpref_core.storage.dropped import Dropped
from iterpref_core.storage.progress import watch

from .evidence import Callers, find_tests
from .function_prompt import fault_of_prompt, prompt_of
from .functions import Function, Module
from .giveaways import code_in, expected_value_in
from .survey import Survey

PROMPT = Path(__file__).with_name("prompts") / "describe.jinja"
EVIDENCE_CHARS = 12_000
"""The most characters of callers, and of tests, that a model reads to describe a function."""

Text = Annotated[str, Field(pattern=r"\w")]


class Description(BaseModel):
    """What a function does, as a model writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    does: Annotated[Text, Field(description="what the function does, not how: sentences in the imperative")]
    arguments: Annotated[
        dict[str, Text], Field(description="the name of each argument, without self, and what it means and may be")
    ]
    returns: Annotated[str, Field(description="what is returned or yielded; empty for nothing")]
    raises: Annotated[dict[str, Text], Field(description="each exception, and when it is raised")]
    special_cases: Annotated[tuple[Text, ...], Field(description="what happens in each special case of the tests")]

    def docstring(self) -> str:
        """Return the text of a docstring, without quotes."""
        parts = {
            "Args": _rows(self.arguments),
            "Returns": [self.returns] if self.returns.strip() else [],
            "Raises": _rows(self.raises),
            "Special cases": [f"- {case}" for case in self.special_cases],
        }
        lines = [_in_one_line(self.does)]
        for title, rows in parts.items():
            if rows:
                lines += ["", f"{title}:", *(f"    {_in_one_line(row)}" for row in rows)]
        return "\n".join(lines)


@dataclass(frozen=True)
class Author:
    """The model that describes functions, and the drafts by which its texts are judged.

    Attributes:
        model: writes the texts, and the drafts.
        name: its name, for the record.
        max_new_tokens: of a text.
        samples: the drafts from a text, of which one has to pass.
        codeflow: the settings of drafts. CodeFlow asks the same if the debugger drafts there, too.
    """

    model: Model
    name: str
    max_new_tokens: int
    samples: int
    codeflow: CodeflowParams


def describe(
    problems: Sequence[Problem],
    functions: Mapping[str, Function],
    surveyed: Survey,
    folder: Path,
    author: Author,
    executor: Engine,
    *,
    may_read: Callable[[Module], bool],
    keep: bool,
) -> Iterator[Problem | Dropped]:
    """Yield problems in their order, those of undocumented functions with a docstring that a model wrote.

    Such a problem is left out if the text lacks an argument (`incomplete`), holds code of the function
    (`holds_source`) or a value that a test expects (`holds_expected`), or does not suffice (`description_fails`). The
    explanation has the text.

    Args:
        problems: all problems; their references pass.
        functions: task_id → function, for all functions of the project that could be a problem.
        surveyed: the tests of all functions.
        folder: the project's root.
        author: the model.
        executor: runs the drafts.
        may_read: whether a model may see a module of tests; those of the functions it may.
        keep: also take texts that hold keys or e-mail addresses.

    Raises:
        InputError: no prompt was answered.
        IterPrefError: the model cannot be had, or the budget is spent. Run the same again to go on.
    """
    subjects = []
    for problem in problems:
        function = functions[problem.task_id]
        if not function.docstring:
            tests = find_tests(folder, surveyed.tests[function.id][0])
            subjects.append(_Subject(problem, function, surveyed.names[function.module.file], tests))
    callers = Callers(dict.fromkeys(function.module for function in functions.values()))
    requests = (_request(each, callers.of(each.function), may_read) for each in subjects)
    sampling = Sampling(TEMPERATURE, author.max_new_tokens)
    texts = ask_parsed(author.model, requests, sampling, partial(read_object, form=Description), Counter[str]())
    described = {
        subject.problem.task_id: _described(subject, text, surveyed.tests, author.name, keep=keep)
        for subject, text in zip(subjects, watch("descriptions", len(subjects), texts), strict=True)
    }
    worded = [each for each in described.values() if isinstance(each, Problem)]
    prompts = {problem.task_id: question(problem.prompt) for problem in worded}
    for task_id, fault in _faults_of_drafts(worded, author, executor).items():
        described[task_id] = functions[task_id].dropped("description_fails", f"{fault}\n{prompts[task_id]}")
    for problem in problems:
        yield described.get(problem.task_id, problem)


@dataclass(frozen=True)
class _Subject:
    """A function without a docstring: its problem, the name by which tests import its module, and its tests."""

    problem: Problem
    function: Function
    module_name: str
    tests: Sequence[Function]


def _request(subject: _Subject, callers: Sequence[Function], may_read: Callable[[Module], bool]) -> Request:
    """Return the request for the description of a function."""
    function = subject.function
    prompt = fill(
        PROMPT,
        kind="method" if "." in function.qualname else "function",
        name=function.qualname,
        module=subject.module_name,
        source=function.text(),
        callers=_shown(callers),
        tests=_shown(each for each in subject.tests if may_read(each.module)),
        form=json.dumps(Description.model_json_schema()),
    )
    return Request(prompt, derive_seed("describe", subject.problem.task_id), private=True)


def _shown(functions: Iterable[Function]) -> str:
    """Return the sources of functions without private data, while there is room."""
    shown: list[str] = []
    room = EVIDENCE_CHARS
    for function in functions:
        text = function.text()
        if len(text) <= room and not find_private(text):
            shown.append(text)
            room -= len(text)
    return "\n\n".join(shown)


def _described(
    subject: _Subject, text: Description | None, problems: Container[str], author: str, *, keep: bool
) -> Problem | Dropped:
    """Return the problem with its description, or the reason against the text.

    `problems` are the ids of the project's functions that may become problems.
    """
    function = subject.function
    if text is None:
        return function.dropped("no_description", "no answer of the form; the same command asks for missing ones again")
    docstring = text.docstring()
    prompt = prompt_of(replace(function, description=docstring), subject.module_name, problems)
    reason, fault = fault_of_prompt(prompt, function, keep=keep)
    named = {name.lstrip("*") for name in text.arguments}
    # `_` is the name of an argument that a function must take and ignores.
    if unnamed := [name for name in function.arguments if name not in named and name != "_"]:
        reason, fault = "incomplete", f"it does not describe {', '.join(unnamed)}"
    elif line := code_in(docstring, function):
        reason, fault = "holds_source", f"it holds code of the function: {line}"
    elif value := expected_value_in(docstring, function, subject.tests):
        reason, fault = "holds_expected", f"it holds a value that a test expects: {value}"
    if reason:
        return function.dropped(reason, f"{fault}\n{docstring}")
    return subject.problem.model_copy(update={"prompt": prompt, "described_by": author})


def _faults_of_drafts(problems: Sequence[Problem], author: Author, executor: Engine) -> dict[str, str]:
    """Return task_id → what the last draft lacks, for the problems of which no draft passes.

    A problem with a draft that passes is not drafted again.
    """
    sampling = draft_sampling(author.codeflow)
    left = list(problems)
    faults: dict[str, str] = {}
    for number in watch("drafts", author.samples, range(author.samples)):
        answers = ask_all(author.model, [draft_request(each, author.codeflow, number) for each in left], sampling)
        missing = [answer.missing for answer in answers if answer.missing]
        if missing and number == 0:
            check_answered(missing, len(left), "drafts")
        drafted = []
        for problem, answer in zip(left, answers, strict=True):
            if answer.missing:
                faults[problem.task_id] = f"no answer: {answer.missing}; the same command asks again"
            else:
                drafted.append((problem, drafted_program(problem, answer)))
        for (problem, _), outcome in executor.run_each(drafted, lambda each: program_of(*each)):
            faults[problem.task_id] = f"{outcome.verdict}: {outcome.feedback}"
            if outcome.verdict == "passed":
                del faults[problem.task_id]
        left = [problem for problem in left if problem.task_id in faults]
    return faults


def _rows(named: Mapping[str, str]) -> list[str]:
    return [f"{name}: {text}" for name, text in named.items()]


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
