"""Preference pairs: rows of a preference set, with TRL's columns or others, as pairs of programs.

The rows have no tests, so these pairs enter at localization.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from iterpref_core.errors import InputError
from iterpref_core.ingestion.ingest import Ingested, named_counts
from iterpref_core.ingestion.preference_sets.answers import find_programs
from iterpref_core.ingestion.preference_sets.columns import Columns, parse_columns
from iterpref_core.ingestion.preference_sets.turns import Turn, read_turns
from iterpref_core.ingestion.rows import count_rows_of
from iterpref_core.progress import show_progress
from iterpref_core.prompt_messages import Prompt, read_prompt
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.storage.items import Item, find_shards, read_items
from iterpref_core.storage.jsonl import atomic_writer, check_spans, describe_validation_error
from iterpref_core.storage.left_out import BAD_RECORD, Dropped, open_left_out


def ingest_pairs(
    sources: Sequence[Path],
    out: Path,
    *,
    columns: str | None = None,
    limit: int | None = None,
    spans: Path | None = None,
    dropped: Path | None = None,
) -> Ingested:
    """Turn preference sets into `pairs.jsonl`, as a stream; the pairs are ready for `localize` and `train`.

    Args:
        sources: files, or folders of shards.
        out: JSONL of pairs to write; a pair without a `task_id` of its own is called `pair-<its line or row>`.
        columns: names of columns, such as `prompt=instruction+input,chosen=accepted`.
        limit: rows to read, the first ones; None for all.
        spans: JSONL of error regions to write, from the rows that have them; not written by default.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.

    Returns:
        `pairs`: number of pairs; with `spans`, `spans`: number of pairs with an error region; and `dropped/<reason>`.

    Raises:
        ConfigError: `columns` cannot be understood.
        InputError: a file is absent, there is no pair, or no error region although `spans` is given.
    """
    named = parse_columns(columns)
    counts: Counter[str] = Counter()
    names: set[str] = set()
    with ExitStack() as stack:
        pair_file = stack.enter_context(atomic_writer(out))
        span_file = stack.enter_context(atomic_writer(spans)) if spans else None
        left_out = stack.enter_context(open_left_out(dropped))
        advance = stack.enter_context(show_progress("ingest", count_rows_of(sources, limit), unit="pairs"))
        for item in islice(_items(sources), limit):
            advance()
            row = _row(item)
            if isinstance(row, Dropped):
                left_out.add(row)
                continue
            pair = _pair(row, item, named, names)
            if isinstance(pair, Dropped):
                left_out.add(pair)
                continue
            names.add(pair.task_id)
            pair_file.write(pair.to_json() + "\n")
            counts["pairs"] += 1
            if span_file is not None:
                region = _region(row, pair, item, named)
                if region is not None:
                    span_file.write(region.to_json() + "\n")
                    counts["spans"] += 1
        if not counts["pairs"]:
            raise left_out.nothing_taken("pair", sources)
        if spans is not None and not counts["spans"]:
            listed = ", ".join(map(str, sources))
            raise InputError(
                f"{listed}: no pair has a field 'rejected_spans'; leave --spans out, and localize the pairs"
            )
    return Ingested(named_counts(counts, left_out), left_out.first())


def _items(sources: Sequence[Path]) -> Iterator[Item]:
    """Stream the rows of all files, numbered across files: a file of 100 lines, then the next line is number 101."""
    before = 0
    for source in sources:
        for path in find_shards(source):
            number = 0
            for item in read_items(path):
                number = item.number
                yield item._replace(number=before + number)
            before += number


def _row(item: Item) -> dict[str, Any] | Dropped:
    try:
        row = json.loads(item.text)
    except (ValueError, RecursionError) as error:
        return Dropped(BAD_RECORD, str(item.where), explanation=f"not valid JSON ({error})")
    if not isinstance(row, dict):
        return Dropped(BAD_RECORD, str(item.where), explanation=f"an object is expected, not {type(row).__name__}")
    return row


def _pair(
    row: Mapping[str, Any],
    item: Item,
    columns: Columns,
    names: set[str],
) -> PreferencePair | Dropped:
    where = str(item.where)
    name = _name(row.get(columns.task_id[0]), item, names)
    # Answers may be whole conversations: [user: "Add.", assistant: "Sure."] has the answer in its last turn.
    try:
        chosen = _turns(columns.values(row, "chosen"))
        rejected = _turns(columns.values(row, "rejected"))
        asked = _asked(row, columns, chosen)
        prompt = _prompt(asked)
    except ValueError as error:
        return Dropped(BAD_RECORD, where, name, str(error))
    if prompt is None:
        return Dropped("no_prompt", where, name)
    if _part_early(chosen, rejected):
        return Dropped("different_turns", where, name)
    programs = find_programs(_answer(chosen), _answer(rejected))
    if isinstance(programs, str):
        reason = programs
        return Dropped(reason, where, name)
    chosen_program, rejected_program = programs
    problem = row.get("problem_id")
    return PreferencePair(
        task_id=name,
        prompt=prompt,
        chosen=chosen_program,
        rejected=rejected_program,
        problem_id=str(problem) if isinstance(problem, str | int) else None,
    )


def _name(given: Any, item: Item, names: set[str]) -> str:
    """Return the set's name for a pair; `pair-<line or row>` if the set gives none, or one that was used before."""
    name = str(given) if isinstance(given, str | int) else ""
    if name == "" or name in names:
        return f"pair-{item.number}"
    return name


def _turns(values: Sequence[Any]) -> list[Turn]:
    turns: list[Turn] = []
    for value in values:
        turns += read_turns(value)
    return turns


def _asked(row: Mapping[str, Any], columns: Columns, chosen: list[Turn]) -> list[Turn]:
    """Return the turns before the last answer: those of the prompt's columns, and earlier ones of the chosen answer.

    A column `system` is put in front, as in the templates of sets with such a column.

    Raises:
        ValueError: the row has neither a prompt's column nor a conversation in the chosen answer.
    """
    # With the prompt "Add." the chosen answers [user: "Add.", assistant: "Sure."] repeat it. In [user: "Add.",
    # assistant: "Sure.", user: "Faster.", assistant: "There."] the whole conversation stands, of which the prompt may
    # have one turn. [assistant: "Sure.", user: "Faster.", assistant: "There."] goes on from the prompt.
    before = chosen[:-1]
    repeated = bool(before) and before[0].role != "assistant"
    several = any(turn.role == "assistant" for turn in before)
    if repeated and (several or not columns.has(row, "prompt")):
        asked = before
    else:
        asked = _turns(_joined(columns.values(row, "prompt")))
        if not repeated:
            asked += before
    if not columns.has(row, "system"):
        return asked
    system = [Turn("system", turn.text) for turn in _turns(columns.values(row, "system"))]
    return system + asked


def _prompt(asked: Sequence[Turn]) -> Prompt | None:
    """Return the prompt: the text of a single question, else messages; None if there is no question.

    Raises:
        ValueError: a turn has a role of its own, or the last one is no question.
    """
    turns = [turn for turn in asked if turn.text.strip()]
    if all(turn.role == "system" for turn in turns):
        return None
    without_roles = all(turn.role == "" for turn in turns)
    single_question = len(turns) == 1 and turns[0].role == "user"
    if without_roles or single_question:
        return "\n\n".join(turn.text for turn in turns)
    messages = []
    for turn in turns:
        messages.append({"role": turn.role or "user", "content": turn.text})
    return read_prompt(messages)


def _part_early(chosen: Sequence[Turn], rejected: Sequence[Turn]) -> bool:
    """Return True if two conversations differ before their last answer, which alone is trained."""
    before = chosen[:-1]
    others = rejected[:-1]
    several = any(turn.role == "assistant" for turn in (*before, *others))
    return several and before != others


def _joined(values: list[Any]) -> list[Any]:
    """Join the texts of several columns, such as an instruction and its input, by line breaks; messages stay."""
    texts = [value for value in values if isinstance(value, str) and value]
    others = [value for value in values if not isinstance(value, str)]
    return others or ["\n".join(texts)]


def _answer(turns: list[Turn]) -> str:
    """Return the assistant's last turn, or the last one without a role."""
    for turn in reversed(turns):
        if turn.role in {"", "assistant"}:
            return turn.text
    return ""


def _region(
    row: Mapping[str, Any],
    pair: PreferencePair,
    item: Item,
    columns: Columns,
) -> FocalSpans | None:
    """Return the error region in a row; None if the pair's programs are not the texts whose characters it counts.

    Raises:
        InputError: the region is not a list of spans, or a span lies outside of its program.
    """
    if row.get("rejected_spans") is None:
        return None
    for side in ("chosen", "rejected"):
        if _answer(_turns(columns.values(row, side))) != getattr(pair, side):
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
