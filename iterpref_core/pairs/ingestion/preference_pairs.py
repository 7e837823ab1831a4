"""Preference pairs: rows of a preference set, with TRL's columns or others, as pairs of programs.

The rows have no tests, so these pairs enter at localization.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from iterpref_core.problems.ingestion.answers import find_programs, reason_against_names, states_python
from iterpref_core.problems.ingestion.columns import Columns, Kind, parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source, check_writable, open_intake, read_object
from iterpref_core.problems.ingestion.preparations import Prepare
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.problems.published import LeftOutError, drop_for
from iterpref_core.problems.ingestion.prompts import Turn, join_texts, prompt_of, read_turns
from iterpref_core.problems.ingestion.values import read_license
from iterpref_core.records import FocalSpans, PreferencePair, take_name
from iterpref_core.records.errors import InputError
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import check_spans, describe_validation_error
from iterpref_core.storage.left_out import Dropped


def ingest_pairs(
    source: Source,
    out: Path,
    *,
    form: str | None = None,
    columns: str | None = None,
    spans: Path | None = None,
    dropped: Path | None = None,
) -> Ingested:
    """Turn preference sets into `pairs.jsonl`, as a stream; the pairs are ready for `localize` and `train`.

    Args:
        source: the rows to read.
        out: JSONL of pairs to write; a pair without a `task_id` of its own is called `pair-<its line or row>`.
        form: name of a preset of pairs; None: TRL's columns.
        columns: names of columns, such as `prompt=instruction+input,chosen=accepted`.
        spans: JSONL of error regions to write, from the rows that have them; not written by default.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `pairs`: number of pairs; with `spans`, `spans`: number of pairs with an error region; and `dropped/<reason>`.

    Raises:
        ConfigError: `columns` cannot be understood.
        InputError: a file is absent, there is no pair, or no error region although `spans` is given.
    """
    preset = PRESETS[form] if form is not None else None
    named = parse_columns(columns, preset=preset.columns if preset else None, split=source.split)
    reader = _PairReader(named, preset.prepare if preset else None)
    with open_intake(source, dropped, "pair") as intake:
        pair_file = intake.open_file(out)
        span_file = intake.open_file(spans) if spans else None
        for item in intake.rows:
            read = reader.read(item, intake.license)
            if isinstance(read, Dropped):
                intake.leave_out(read)
                continue
            row, pair = read
            pair_file.write(pair.to_json() + "\n")
            intake.counts["pairs"] += 1
            region = _region(row, pair, item, named) if span_file is not None else None
            if span_file is not None and region is not None:
                span_file.write(region.to_json() + "\n")
                intake.counts["spans"] += 1
        if spans is not None and intake.counts["pairs"] and not intake.counts["spans"]:
            listed = ", ".join(map(str, source.paths))
            raise InputError(
                f"{listed}: no pair has a field 'rejected_spans' about programs that stand in its row as they are; "
                "leave --spans out, and localize the pairs"
            )
    return intake.result


class _PairReader:
    """A reader of rows, which gives every pair a name of its own."""

    def __init__(self, columns: Columns, prepare: Prepare | None) -> None:
        self._columns = columns
        self._prepare = prepare
        self._names: Counter[str] = Counter()

    def read(self, item: Item, license: str | None) -> tuple[Mapping[str, Any], PreferencePair] | Dropped:
        """Return a row with its pair, or the row with the reason why it is left out; no row ends the run."""
        where = str(item.where)
        name = ""
        try:
            row: Mapping[str, Any] = read_object(item)
            if self._prepare is not None:
                row = self._prepare(row, Counter())
            name = self._columns.name(row, "task_id") or f"pair-{item.number}"
            # What a row of these sets calls its name may be that of its problem.
            name = f"pair-{item.number}" if name in self._names else name
            pair = _read_pair(row, name, self._columns, license)
        except Exception as error:  # noqa: BLE001 - see `drop_for`
            return drop_for(error, where, name)
        return row, pair.model_copy(update={"task_id": take_name(name, self._names)})


def _read_pair(row: Mapping[str, Any], name: str, columns: Columns, license: str | None) -> PreferencePair:
    """Return the pair in a row.

    Raises:
        LeftOutError: the row has none.
        ValueError: a column is missing, or holds something else.
    """
    columns.check_wanted(row)
    # An answer may be a whole conversation: [user: "Add.", assistant: "Sure."] has the answer in its last turn.
    chosen = _side(row, columns, "chosen")
    rejected = _side(row, columns, "rejected")
    prompt = prompt_of(_asked(row, columns, chosen[:-1], rejected[:-1]))
    if prompt is None:
        raise LeftOutError("no_prompt")
    texts = (_answer(chosen), _answer(rejected))
    programs = find_programs(*texts, _kind(columns, chosen, rejected))
    if isinstance(programs, str):
        raise LeftOutError(programs)
    # An exported pair says that tests judged it; a column of this name that holds something else says nothing.
    tested = columns.one(row, "tested")
    stated = tested is True or columns.languages(row) or states_python(texts[0])
    explanation = "" if stated else reason_against_names(programs[0])
    if explanation:
        raise LeftOutError("undefined_name", explanation)
    pair = PreferencePair(
        task_id=name,
        prompt=prompt,
        chosen=programs[0],
        rejected=programs[1],
        problem_id=columns.name(row, "problem_id"),
        license=read_license(columns.one(row, "license")) or license,
        tested=tested,
    )
    check_writable(pair)
    return pair


def _side(row: Mapping[str, Any], columns: Columns, part: str) -> list[Turn]:
    """Return the turns of an answer: one text, or messages.

    Raises:
        ValueError: the answer is several texts, or no text at all.
    """
    values = columns.values(row, part)
    if sum(isinstance(value, str) for value in values) > 1:
        raise ValueError(f"{part}: one text is expected in all, not several columns of them")
    return [turn for value in values for turn in read_turns(value)]


def _kind(columns: Columns, chosen: Sequence[Turn], rejected: Sequence[Turn]) -> Kind | None:
    """Return what two answers are: the user says it, or a turn of the assistant is an answer; None: nothing says it."""
    stated = columns.kinds.get("chosen") or columns.kinds.get("rejected")
    if stated is not None:
        return stated
    roles = {turn.role for turn in (*chosen[-1:], *rejected[-1:])}
    return "answer" if roles - {""} else None


def _asked(row: Mapping[str, Any], columns: Columns, chosen: list[Turn], rejected: list[Turn]) -> list[Turn]:
    """Return the question: the turns of the prompt's columns, or those that stand before both answers.

    A column `system` is put in front, as in the templates of sets with such a column.

    Args:
        row: the row.
        columns: where its parts stand.
        chosen: the turns before the chosen answer, as in `[user: "Add.", assistant: "Sure."]`.
        rejected: those before the rejected one.

    Raises:
        LeftOutError: the answers have earlier answers before them, or answer different questions.
        ValueError: the row has neither a prompt's column nor a question before its answers.
    """
    if any(turn.role == "assistant" for turn in (*chosen, *rejected)):
        raise LeftOutError("several_turns", "an answer of a conversation stands before the last one")
    if chosen and rejected and _words(chosen) != _words(rejected):
        raise LeftOutError("different_turns")
    asked = chosen
    if columns.has(row, "prompt") or not chosen:
        stated = [turn for value in join_texts(row, columns, "prompt") for turn in read_turns(value)]
        # The prompt "Add." may lack the system's message that stands before the answers.
        asked = chosen if _words(chosen) >= _words(stated) else stated
    if not columns.has(row, "system"):
        return asked
    system = [Turn("system", turn.text) for value in columns.values(row, "system") for turn in read_turns(value)]
    return system + asked


def _words(turns: Sequence[Turn]) -> set[str]:
    return {"".join(turn.text.split()) for turn in turns} - {""}


def _answer(turns: list[Turn]) -> str:
    """Return the assistant's last turn, or the last one without a role."""
    for turn in reversed(turns):
        if turn.role in {"", "assistant"}:
            return turn.text
    return ""


def _region(row: Mapping[str, Any], pair: PreferencePair, item: Item, columns: Columns) -> FocalSpans | None:
    """Return the error region in a row; None if the pair's programs are not the texts whose characters it counts.

    Raises:
        InputError: the region is not a list of spans, or a span lies outside of its program.
    """
    sides = (pair.chosen, pair.rejected)
    stated = (_answer(_side(row, columns, "chosen")), _answer(_side(row, columns, "rejected")))
    if row.get("rejected_spans") is None or sides != stated:
        return None
    try:
        region = FocalSpans(
            task_id=pair.task_id,
            method=row.get("spans_method") or "unknown",
            rejected=row["rejected_spans"],
            chosen=row.get("chosen_spans") or (),
        )
    except ValidationError as error:
        raise InputError(f"{item.where}: {describe_validation_error(error)}; leave --spans out") from None
    check_spans(region, pair, item.where.path)
    return region
