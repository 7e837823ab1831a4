"""Preference pairs: rows of a preference set, with TRL's columns or others, as pairs of programs.

The rows have no tests, so these pairs enter at localization.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from iterpref_core.problems.ingestion.columns import Columns, LeftOutError, parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source, open_intake, read_row
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.programs import check_names, find_programs, states_python
from iterpref_core.problems.ingestion.prompts import Turn, as_prompt, column_turns, read_turns
from iterpref_core.problems.ingestion.values import Row, read_license
from iterpref_core.records import PreferencePair, take_name
from iterpref_core.storage.left_out import Dropped


def ingest_pairs(
    source: Source,
    out: Path,
    *,
    form: str | None = None,
    columns: str | None = None,
    dropped: Path | None = None,
) -> Ingested:
    """Turn preference sets into `pairs.jsonl`, as a stream; the pairs are ready for `localize` and `train`.

    Args:
        source: the rows to read.
        out: JSONL of pairs to write; a pair without a `task_id` of its own is called `pair-<its line or row>`.
        form: name of a preset of pairs; None: TRL's columns.
        columns: names of columns, such as `prompt=instruction+input,chosen=accepted`.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `pairs`: number of pairs; and `dropped/<reason>`.

    Raises:
        ConfigError: `columns` cannot be understood.
        InputError: a file is absent, or there is no pair.
    """
    preset = PRESETS[form] if form is not None else None
    named = parse_columns(columns, preset=preset.columns if preset else None, split=source.split)
    names: Counter[str] = Counter()

    def read(row: dict[str, Any]) -> PreferencePair:
        return _read_pair(preset.prepare_row(row) if preset else row, named)

    with open_intake(source, dropped, "pair") as intake:
        pair_file = intake.open_file(out)
        for item in intake.rows:
            pair = read_row(item, named, read)
            if isinstance(pair, Dropped):
                intake.leave_out(pair)
                continue
            # What a row of these sets calls its name may be that of its problem.
            is_free = pair.task_id and pair.task_id not in names
            name = pair.task_id if is_free else f"pair-{item.number}"
            own = {"task_id": take_name(name, names), "license": pair.license or intake.license}
            pair_file.write(pair.model_copy(update=own).to_json() + "\n")
            intake.counts["pairs"] += 1
    return intake.result


def _read_pair(row: Row, columns: Columns) -> PreferencePair:
    """Return the pair in a row; its name is empty if the row has none.

    Raises:
        LeftOutError: the row has none.
        ValueError: a column is missing, or holds something else.
    """
    columns.check_wanted(row)
    # An answer may be a whole conversation: [user: "Add.", assistant: "Sure."] has the answer in its last turn.
    *before, chosen = _side(row, columns, "chosen")
    *before_rejected, rejected = _side(row, columns, "rejected")
    if any(turn.role == "assistant" for turn in (*before, *before_rejected)):
        raise LeftOutError("several_turns", "an answer of a conversation stands before the last one")
    if before and before_rejected and _words(before) != _words(before_rejected):
        raise LeftOutError("different_turns")
    prompt = as_prompt(_asked(row, columns, before))
    right, wrong = find_programs(chosen.text, rejected.text)
    # An exported pair says that tests judged it; a column of this name that holds something else says nothing.
    tested = columns.one(row, "tested")
    if not (tested is True or columns.languages(row) or states_python(chosen.text)):
        check_names(right)
    return pair_of(row, columns, prompt=prompt, chosen=right, rejected=wrong, tested=tested)


def pair_of(row: Row, columns: Columns, **fields: Any) -> PreferencePair:
    """Return the pair of a row, with the names and the license that the row states; a file can hold the pair.

    Raises:
        ValueError: a text has half of a surrogate pair, which UTF-8 does not have.
    """
    pair = PreferencePair(
        task_id=columns.name(row, "task_id"),
        problem_id=columns.name(row, "problem_id") or None,
        license=read_license(columns.one(row, "license")),
        **fields,
    )
    pair.to_json().encode()
    return pair


def _side(row: Row, columns: Columns, part: str) -> list[Turn]:
    """Return the turns of an answer, at least one: one text, or messages.

    Raises:
        ValueError: the answer is several texts, or no text at all.
    """
    values = columns.values(row, part)
    if sum(isinstance(value, str) for value in values) > 1:
        raise ValueError(f"{part}: one text is expected in all, not several columns of them")
    turns = [turn for value in values for turn in read_turns(value)]
    # A conversation that ends with a question has no answer.
    return turns if turns and turns[-1].role in {"", "assistant"} else [*turns, Turn("", "")]


def _asked(row: Row, columns: Columns, before: list[Turn]) -> list[Turn]:
    """Return the question: the turns of the prompt's columns, or those that stand before the chosen answer.

    A column `system` is put in front, as in the templates of sets with such a column.

    Raises:
        ValueError: the row has neither a prompt's column nor a question before its answers.
    """
    asked = before
    if columns.has(row, "prompt") or not before:
        stated = column_turns(row, columns, "prompt")
        # The prompt "Add." may lack the system's message that stands before the answers.
        asked = before if _words(before) >= _words(stated) else stated
    system = column_turns(row, columns, "system") if columns.has(row, "system") else []
    return [*(Turn("system", turn.text) for turn in system), *asked]


def _words(turns: list[Turn]) -> set[str]:
    return {"".join(turn.text.split()) for turn in turns} - {""}
