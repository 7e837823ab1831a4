"""Turn rows of a preference set, or of buggy and fixed programs, into pairs of programs.

The tests of a row judge its programs. Without tests, the set's own word is taken.
"""

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.execution import check_tests
from iterpref_core.problems.ingestion.columns import Columns, DroppedError
from iterpref_core.problems.ingestion.intake import Ingested, Taken, Wanted, open_intake, write_records
from iterpref_core.problems.ingestion.outcome_store import open_trials
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.problem_rows import PublishedProblem
from iterpref_core.problems.ingestion.programs import check_names, find_programs, is_python_2, states_python
from iterpref_core.problems.ingestion.prompts import as_prompt, column_turns, read_turns
from iterpref_core.problems.ingestion.row_tests import ReadingHints, read_tests
from iterpref_core.problems.ingestion.trials import Run, find_failures, find_reference
from iterpref_core.problems.ingestion.values import Row, read_license, read_text_value
from iterpref_core.records import (
    ExecutionParams,
    Message,
    PairsParams,
    PreferencePair,
    Problem,
    Prompt,
    Span,
    statement_name,
)

from ..selection.filters import FILTERS, drop_reason
from .winner import contradicting_scores, first_is_better

# The task of a buggy program without a statement: the program itself.
REPAIR_PROMPT = "Correct this Python program:\n\n```python\n{buggy}\n```"


class Judging(NamedTuple):
    """The settings for judging buggy and fixed programs.

    Attributes:
        params: bounds of the filters of pairs.
        execution: limits for running programs.
        store: SQLite file for the outcomes of programs; removed at the end.
    """

    params: PairsParams
    execution: ExecutionParams
    store: Path


def ingest_pairs(
    wanted: Wanted,
    out: Path,
    judging: Judging | None = None,
    *,
    form: str = "trl",
    columns: str | None = None,
    dropped: Path | None = None,
) -> Ingested:
    """Turn rows into `pairs.jsonl`, as a stream; after a kill, the same call continues.

    Args:
        wanted: the rows to read.
        out: JSONL of pairs to write; a pair without a `task_id` of its own is called `pair-<its line or row>`.
        judging: settings for buggy and fixed programs; None for a preference set, whose word is taken.
        form: name of the preset.
        columns: names of columns, such as `prompt=instruction+input,chosen=accepted`.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `pairs`; `regions` that the file has; with judging `tested` and `untested` pairs;
        `tests_dropped/<reason>`, and `dropped/<reason>`. Scores that favor `rejected` are a finding.

    Raises:
        ConfigError: `columns` cannot be understood.
        InputError: a file is absent, or no row gives a pair.
        ExecutionError: the engine failed.
    """
    preset = PRESETS[form]
    contradicting: Counter[tuple[str, str]] = Counter()
    with ExitStack() as stack:
        executor = run = None
        if judging is not None:
            executor, run = stack.enter_context(open_trials(judging.execution, judging.store))
        intake = stack.enter_context(open_intake(wanted, preset, columns, dropped))

        def take(row: dict[str, Any]) -> Taken:
            prepared = preset.prepare_row(row)
            pair = read_pair(prepared, intake.columns, repair=judging is not None)
            counts: Counter[str] = Counter()
            if judging is not None and run is not None:
                pair, counts = judge(pair, prepared, intake.columns, judging.params, run)
            counts["pairs"] += 1
            if pair.rejected_spans is not None:
                counts["regions"] += 1
            if judging is not None:
                counts["tested" if pair.tested else "untested"] += 1
            # JSON can escape half of a surrogate pair, which UTF-8 cannot encode: the row is at fault, not the file.
            pair.to_json()
            counts += intake.screen(pair)
            if judging is None:
                contradicting.update(contradicting_scores(row, intake.columns))
            return pair, None, counts

        write_records(intake, intake.take(take, executor), out)
    pairs = intake.result.counts["pairs"]
    findings = (
        f"{first} is below {second} in {count} of {pairs} pairs. If higher is better, turn these pairs around with "
        f"--columns winner=first-second:{first}+{second} (better is the first answer where its score less the second's "
        "is above 0); `winner=` says that the scores decide nothing"
        for (first, second), count in contradicting.items()
    )
    return replace(intake.result, findings=tuple(findings))


def read_pair(row: Row, columns: Columns, *, repair: bool) -> PreferencePair:
    """Return the pair in a row, with an empty name if the row has none.

    Args:
        row: the row.
        columns: where each part is.
        repair: True for a buggy and a fixed program, whose prompt may be the buggy one.

    Raises:
        DroppedError: the row has none.
        ValueError: a column is missing, or holds something else.
    """
    columns.check_wanted(row)
    better, worse = "chosen", "rejected"
    if not repair and not first_is_better(row, columns):
        better, worse = worse, better
    # An answer may be a whole conversation: [user: "Add.", assistant: "Sure."] has the answer in its last turn.
    *before, chosen = answer_turns(row, columns, better)
    *before_rejected, rejected = answer_turns(row, columns, worse)
    if any(turn.role == "assistant" for turn in (*before, *before_rejected)):
        raise DroppedError("several_turns", "an earlier answer of the conversation precedes the last one")
    if before and before_rejected and before != before_rejected:
        raise DroppedError("different_turns", "the two answers follow different questions")
    right, wrong = find_programs(chosen.content, rejected.content)
    tested = columns.one(row, "tested")
    # With tests, the program runs as Python.
    if not (tested or any(columns.values(row, "tests")) or columns.languages(row) or states_python(chosen.content)):
        check_names(right)
    name = columns.name(row, "task_id")
    repaired = REPAIR_PROMPT.format(buggy=wrong.rstrip("\r\n")) if repair else ""
    prompt = _prompt(row, columns, before, repaired)
    # Pairs of one statement are of one problem. A repair without a statement has the name of its problem, if any.
    of_statement = (name if prompt == repaired else "") or statement_name(prompt)
    return PreferencePair(
        task_id=name,
        prompt=prompt,
        chosen=right,
        rejected=wrong,
        problem_id=columns.name(row, "problem_id") or of_statement,
        license=read_license(columns.one(row, "license")),
        split=columns.kept_split(row),
        tested=tested,
        rejected_spans=_region(columns.one(row, f"{worse}_spans"), rejected.content, wrong),
        chosen_spans=_region(columns.one(row, f"{better}_spans"), chosen.content, right),
        localization=columns.one(row, "localization"),
        # A pair that this project has written keeps its source.
        provenance=row.get("provenance"),
    )


def judge(
    pair: PreferencePair, row: Row, columns: Columns, params: PairsParams, run: Run
) -> tuple[PreferencePair, Counter[str]]:
    """Run a row's tests on its pair. Return the pair, marked as tested or not, and the unused tests by reason.

    Raises:
        DroppedError: a filter drops the pair, or both programs pass or fail the tests.
        ValueError: a column holds something else.
    """
    # A buggy program may have a syntax error, but not the syntax of another language.
    buggy = pair.rejected or ""
    if is_python_2(buggy):
        raise DroppedError("not_python", "the buggy program is Python 2")
    entry_point = columns.name(row, "entry_point")
    # The pairs' length in tokens depends on the model, which is not known here; training measures it.
    drop = drop_reason(pair, params, lambda _: 0, entry_point)
    if drop and drop != "cosmetic":
        raise DroppedError(drop, FILTERS[drop])
    untested = Problem(task_id=pair.task_id or "pair", prompt=pair.prompt, entry_point=entry_point, tests=())
    # A right program decides between readings: the fixed one is not known to be right yet, but must pass.
    hints = ReadingHints(programs=(pair.chosen,), modules=columns.modules(row))
    readings, dropped = read_tests(untested, columns.values(row, "tests"), (), hints)
    plainest = next(readings, None)
    if plainest is not None:
        check_tests(plainest, untested.task_id, visible=True)
        try:
            problem = find_reference(PublishedProblem(plainest, readings, (pair.chosen,)), run)
        except DroppedError as error:
            raise DroppedError(drop or "fixed_fails", str(error)) from None
        failed = find_failures(problem, (buggy,), run, pairs=1)
        if failed is None:
            raise (
                DroppedError(drop, FILTERS[drop]) if drop else DroppedError("buggy_passes", "the buggy program passes")
            )
        # The tests know better than a comparison of the two texts.
        if failed.attempts[0].verdict == "exception":
            drop = None
    if drop:
        raise DroppedError(drop, FILTERS[drop])
    return pair.model_copy(update={"tested": plainest is not None}), dropped


def answer_turns(row: Row, columns: Columns, part: str) -> list[Message]:
    """Return the turns of an answer, at least one: a text, or messages.

    Raises:
        ValueError: the answer has another shape.
    """
    value = columns.one(row, part)
    turns = [] if value is None else read_turns(value, "assistant")
    # A conversation that ends with a question has no answer.
    return turns if turns and turns[-1].role == "assistant" else [*turns, Message(role="assistant", content="")]


def _region(value: Any, answer: str, program: str) -> tuple[Span, ...] | None:
    r"""Return the spans of an answer as characters of the program in it; None if the row has none.

    >>> _region([[13, 14]], "```python\nx = 1\n```", "x = 1\n")
    ((3, 4),)

    Raises:
        DroppedError: the program was changed when it was taken out of the answer.
        ValueError: the spans are not [start, end) pairs, or lie outside of the answer.
    """
    value = read_text_value(value)
    if value is None or value == "":
        return None
    begin = answer.find(program)
    if begin < 0:
        raise DroppedError("moved_region", "the program is not in the answer letter by letter, as its spans need")
    spans = []
    for start, end in value:
        if not 0 <= start <= end <= len(answer):
            raise ValueError(f"the span [{start}, {end}] lies outside of its text, which has {len(answer)} characters")
        first, last = max(start - begin, 0), min(end - begin, len(program))
        # A span of the prose around the program marks nothing in it.
        if first <= last:
            spans.append((first, last))
    return tuple(spans)


def _prompt(row: Row, columns: Columns, before: list[Message], otherwise: str) -> Prompt:
    """Return the prompt: the question before the chosen answer, or the row's columns, or `otherwise`.

    The columns count before the question if the user names them.
    A column `system` becomes the first message.

    Raises:
        DroppedError: the prompt is blank.
        ValueError: the row has no prompt.
    """
    turns = before
    if not before or "prompt" in columns.stated:
        if otherwise and "prompt" not in columns.stated and not columns.has(row, "prompt"):
            return otherwise
        try:
            turns = column_turns(row, columns, "prompt", "user")
        except ValueError as error:
            # hh-rlhf has the question in the answer's text, where no column can be named.
            raise ValueError(
                f'{error}; an answer with its question must be messages, such as [{{"role": "user", "content": "…"}}, '
                '{"role": "assistant", "content": "…"}]'
            ) from None
    system = column_turns(row, columns, "system", "system")
    return as_prompt([*system, *turns])
