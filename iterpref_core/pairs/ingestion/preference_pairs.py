"""Preference pairs: rows of a preference set, or of buggy and fixed programs, as pairs of programs.

A row with tests is judged by them; pairs of other rows are the word of their set, and enter at localization.
"""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.execution import check_tests
from iterpref_core.pairs.pairs.filters import drop_reason
from iterpref_core.problems.ingestion.columns import Columns, LeftOutError, parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source, open_intake, open_trials
from iterpref_core.problems.ingestion.presets import find_preset
from iterpref_core.problems.ingestion.problem_rows import PublishedProblem
from iterpref_core.problems.ingestion.programs import check_names, find_programs, language_of, states_python
from iterpref_core.problems.ingestion.prompts import Turn, as_prompt, column_turns, read_turns
from iterpref_core.problems.ingestion.row_tests import Rules, read_tests
from iterpref_core.problems.ingestion.trials import Run, try_programs
from iterpref_core.problems.ingestion.values import Row, read_license
from iterpref_core.records import PreferencePair, Problem, take_name, unnumbered
from iterpref_core.records.config import ExecutionParams, PairsParams
from iterpref_core.records.prompt_messages import Prompt

REPAIR_PROMPT = "Correct this Python program:\n\n```python\n{buggy}\n```"
"""The task of a buggy program without a statement: the program itself."""


class Judging(NamedTuple):
    """The settings by which buggy and fixed programs are judged.

    Attributes:
        params: bounds of the filters of pairs.
        execution: limits for running programs.
        store: SQLite file for the outcomes of programs; removed at the end.
    """

    params: PairsParams
    execution: ExecutionParams
    store: Path


def ingest_pairs(
    source: Source,
    out: Path,
    judging: Judging | None = None,
    *,
    form: str = "trl",
    columns: str | None = None,
    dropped: Path | None = None,
) -> Ingested:
    """Turn rows into `pairs.jsonl`, as a stream; after a kill, the same call continues.

    Args:
        source: the rows to read.
        out: JSONL of pairs to write; a pair without a `task_id` of its own is called `pair-<its line or row>`.
        judging: settings for buggy and fixed programs; None for a preference set, whose word is taken.
        form: name of the preset.
        columns: names of columns, such as `prompt=instruction+input,chosen=accepted`.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `pairs`; of those that are judged `tested` and `untested`; `tests_left_out/<reason>`, and `dropped/<reason>`.

    Raises:
        ConfigError: `columns` cannot be understood.
        InputError: a file is absent, or there is no pair.
        ExecutionError: the engine failed.
    """
    preset = find_preset(form)
    named = parse_columns(columns, preset.row_parts, preset=preset.columns, split=source.split)
    names: Counter[str] = Counter()
    with ExitStack() as stack:
        executor = params = run = None
        if judging is not None:
            executor, outcomes = stack.enter_context(open_trials(judging.execution, judging.store))
            params, run = judging.params, outcomes.run
        intake = stack.enter_context(open_intake(source, dropped, "pair"))
        pair_file = intake.open_file(out)

        def read(row: dict[str, Any]) -> tuple[PreferencePair, Counter[str]]:
            return read_pair(preset.prepare_row(row), named, params, run)

        for item, (pair, left_out) in intake.take(named, read, executor):
            # A name that repeats is that of a problem with several pairs.
            row_name = pair.task_id or f"pair-{item.number}"
            name = take_name(row_name, names)
            problem_id = pair.problem_id
            # A preference set may be pairs of this project, which have their problem's name and a number.
            if judging is not None and unnumbered(name) != row_name:
                problem_id = problem_id or row_name
            own = {"task_id": name, "problem_id": problem_id, "license": pair.license or intake.license}
            try:
                line = pair.model_copy(update=own).to_json()
            except ValueError as error:
                # UTF-8 has no half of a surrogate pair; JSON has an escape for it.
                intake.leave_out(item, pair.task_id, str(error))
                continue
            pair_file.write(line + "\n")
            intake.counts.update(left_out)
            intake.counts["pairs"] += 1
            if judging is not None:
                intake.counts["tested" if pair.tested else "untested"] += 1
    return intake.result


def read_pair(
    row: Row, columns: Columns, params: PairsParams | None = None, run: Run | None = None
) -> tuple[PreferencePair, Counter[str]]:
    """Return the pair in a row, with an empty name if the row has none, and the number of tests that are not used.

    Args:
        row: the row.
        columns: where each part stands.
        params: bounds of the filters, for buggy and fixed programs; None: the word of the set is taken.
        run: runs these programs with the row's tests.

    Raises:
        LeftOutError: the row has none.
        ValueError: a column is missing, or holds something else.
    """
    columns.check_wanted(row)
    # An answer may be a whole conversation: [user: "Add.", assistant: "Sure."] has the answer in its last turn.
    *before, chosen = answer_turns(row, columns, "chosen")
    *before_rejected, rejected = answer_turns(row, columns, "rejected")
    if any(turn.role == "assistant" for turn in (*before, *before_rejected)):
        raise LeftOutError("several_turns", "an answer of a conversation stands before the last one")
    if before and before_rejected and _words(before) != _words(before_rejected):
        raise LeftOutError("different_turns")
    right, wrong = find_programs(chosen.text, rejected.text)
    pair = PreferencePair(
        task_id=columns.name(row, "task_id"),
        prompt=_prompt(row, columns, before, REPAIR_PROMPT.format(buggy=wrong.rstrip("\r\n")) if run else ""),
        chosen=right,
        rejected=wrong,
        problem_id=columns.name(row, "problem_id") or None,
        license=read_license(columns.one(row, "license")),
        tested=columns.one(row, "tested"),
    )
    left_out: Counter[str] = Counter()
    if params is not None and run is not None:
        pair, left_out = _judge(pair, row, columns, params, run)
    # With tests, the program has run as Python.
    if not (pair.tested or columns.languages(row) or states_python(chosen.text)):
        check_names(right)
    return pair, left_out


def _judge(
    pair: PreferencePair, row: Row, columns: Columns, params: PairsParams, run: Run
) -> tuple[PreferencePair, Counter[str]]:
    """Return a pair that says if tests have judged it, and the number of tests that are not used, by reason.

    Raises:
        LeftOutError: a filter drops the pair, or the tests do not tell the programs apart.
        ValueError: a column holds something else.
    """
    # A buggy program may have a syntax error, but not another language's syntax.
    if language_of(pair.rejected) == "python2":
        raise LeftOutError("not_python")
    entry_point = columns.name(row, "entry_point")
    # The pairs' length in tokens depends on the model, which is not known here; training measures it.
    drop = drop_reason(pair, params, lambda _: 0, entry_point)
    if drop:
        raise LeftOutError(drop)
    asked = Problem(task_id=pair.task_id or "pair", prompt=pair.prompt, entry_point=entry_point, tests=())
    # A right program decides between readings: the fixed one is not known to be right yet, but must pass.
    readings, left_out = read_tests(asked, columns.values(row, "tests"), rules=Rules(programs=(pair.chosen,)))
    if readings:
        check_tests(readings[0], asked.task_id, visible=True)
        tried = PublishedProblem(readings, (pair.chosen,), (pair.rejected,))
        try:
            _, trajectory = try_programs(tried, run, pairs=1)
        except LeftOutError as error:
            raise LeftOutError("fixed_fails", str(error)) from None
        if trajectory is None:
            raise LeftOutError("buggy_passes")
    return pair.model_copy(update={"tested": bool(readings)}), left_out


def answer_turns(row: Row, columns: Columns, part: str) -> list[Turn]:
    """Return the turns of an answer, at least one: a text, or messages; several columns are one text.

    Raises:
        ValueError: the answer has another shape, or a column of several holds no text.
    """
    values = columns.values(row, part)
    if len(columns.names[part]) > 1:
        if len(values) < len(columns.names[part]) or not all(isinstance(value, str) for value in values):
            raise ValueError(
                f"columns {'+'.join(columns.names[part])}: one program is expected, all of its parts texts"
            )
        return [Turn("", "".join(values))]
    turns = [turn for value in values for turn in read_turns(value)]
    # A conversation that ends with a question has no answer.
    return turns if turns and turns[-1].role in {"", "assistant"} else [*turns, Turn("", "")]


def _prompt(row: Row, columns: Columns, before: list[Turn], otherwise: str) -> Prompt:
    """Return the prompt: that of the row's columns, or the question before the chosen answer, or another.

    A column `system` is put in front, as in the templates of sets with such a column.

    Raises:
        LeftOutError: the prompt says nothing.
        ValueError: the row has none of them.
    """
    asked = before
    if "prompt" in columns.stated or columns.has(row, "prompt") or not (before or otherwise):
        stated = column_turns(row, columns, "prompt")
        # The prompt "Add." may lack the system's message that stands before the answers.
        asked = before if _words(before) >= _words(stated) else stated
    elif not before:
        return otherwise
    system = column_turns(row, columns, "system") if columns.has(row, "system") else []
    return as_prompt([*(Turn("system", turn.text) for turn in system), *asked])


def _words(turns: list[Turn]) -> set[str]:
    return {"".join(turn.text.split()) for turn in turns} - {""}
