"""Preference pairs: rows of a preference set, with TRL's columns or others, as pairs of programs.

The rows have no tests, so these pairs enter at localization.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from iterpref_core.errors import InputError
from iterpref_core.ingestion.ingest import Ingested, named_counts
from iterpref_core.ingestion.preference_sets.answers import find_programs, reason_against_names, states_python
from iterpref_core.ingestion.preference_sets.columns import Columns, Kind, parse_columns
from iterpref_core.ingestion.preference_sets.turns import Turn, read_turns
from iterpref_core.ingestion.published.published import explain_split, read_license
from iterpref_core.ingestion.published.wording import says_something
from iterpref_core.ingestion.row_text import NOT_UTF8, count_rows_of, each_row, is_utf8, parse_json, reason_not_to_write
from iterpref_core.input_files import RepeatedKeyError
from iterpref_core.progress import show_progress
from iterpref_core.prompt_messages import Prompt, read_prompt
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.source_code.language import is_python_3
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import atomic_writer, check_spans, describe_validation_error
from iterpref_core.storage.left_out import BAD_RECORD, Dropped, open_left_out
from iterpref_core.storage.shards import find_shards, other_split


class _Read(NamedTuple):
    """A row, its pair, and True if something says that the pair's programs are Python."""

    row: Mapping[str, Any]
    pair: PreferencePair
    language_stated: bool


def ingest_pairs(
    sources: Sequence[Path],
    out: Path,
    *,
    columns: str | None = None,
    limit: int | None = None,
    spans: Path | None = None,
    dropped: Path | None = None,
    license: str | None = None,
    split: str | None = None,
) -> Ingested:
    """Turn preference sets into `pairs.jsonl`, as a stream; the pairs are ready for `localize` and `train`.

    Args:
        sources: files, or folders of shards.
        out: JSONL of pairs to write; a pair without a `task_id` of its own is called `pair-<its line or row>`.
        columns: names of columns, such as `prompt=instruction+input,chosen=accepted`.
        limit: rows to read, the first ones; None for all.
        spans: JSONL of error regions to write, from the rows that have them; not written by default.
        dropped: JSONL to write every left-out row to, with its reason; not written by default.
        license: SPDX of the pairs whose rows state none.
        split: the split to read where a folder has several; see `find_shards`.

    Returns:
        `pairs`: number of pairs; of these `language_unstated`, whose rows do not say that they are Python; with
        `spans`, `spans`: number of pairs with an error region; and `dropped/<reason>`.

    Raises:
        ConfigError: `columns` cannot be understood.
        InputError: a file is absent, there is no pair, or no error region although `spans` is given.
    """
    named = replace(parse_columns(columns), split=split)
    shards = find_shards(sources, split)
    counts: Counter[str] = Counter()
    names: Counter[str] = Counter()
    with ExitStack() as stack:
        pair_file = stack.enter_context(atomic_writer(out))
        span_file = stack.enter_context(atomic_writer(spans)) if spans else None
        left_out = stack.enter_context(open_left_out(dropped))
        advance = stack.enter_context(show_progress("ingest", count_rows_of(shards.files, limit), unit="pairs"))
        for item in islice(numbered_rows(shards.files), limit):
            advance()
            read = _read(item, named, names, license)
            if isinstance(read, Dropped):
                left_out.add(read)
                continue
            pair_file.write(read.pair.to_json() + "\n")
            counts["pairs"] += 1
            counts["language_unstated"] += not read.language_stated
            if span_file is not None:
                region = _region(read.row, read.pair, item, named)
                if region is not None:
                    span_file.write(region.to_json() + "\n")
                    counts["spans"] += 1
        if not counts["pairs"]:
            raise left_out.nothing_taken("pair", sources)
        if spans is not None and not counts["spans"]:
            listed = ", ".join(map(str, sources))
            raise InputError(
                f"{listed}: no pair has a field 'rejected_spans' about programs that stand in its row as they are; "
                "leave --spans out, and localize the pairs"
            )
    return Ingested(named_counts(counts, left_out, shards), left_out.first())


def numbered_rows(files: Sequence[Path]) -> Iterator[Item]:
    """Stream the rows of all files, numbered across files: after a file of 100 lines comes number 101."""
    before = 0
    for path in files:
        number = 0
        for item in each_row([path]):
            number = item.number
            yield item._replace(number=before + number)
        before += number


def _read(
    item: Item,
    columns: Columns,
    names: Counter[str],
    license: str | None,
) -> _Read | Dropped:
    """Return a row with its pair, or the row with the reason why it is left out; no row ends the run."""
    try:
        row = read_object(item)
        if isinstance(row, Dropped):
            return row
        return _pair(row, item, columns, names, license)
    except Exception as error:  # noqa: BLE001 - a row may break anything; the row is counted and named, and no other lost
        return Dropped(BAD_RECORD, str(item.where), explanation=f"{type(error).__name__}: {error}")


def read_object(item: Item) -> dict[str, Any] | Dropped:
    """Return the JSON object in a row, or the row with the reason why it has none."""
    try:
        row = parse_json(item.text)
    except RepeatedKeyError as error:
        return Dropped(BAD_RECORD, str(item.where), explanation=str(error))
    except ValueError as error:
        return Dropped(BAD_RECORD, str(item.where), explanation=f"not valid JSON ({error})")
    if not isinstance(row, dict):
        return Dropped(BAD_RECORD, str(item.where), explanation=f"an object is expected, not {type(row).__name__}")
    return row


def reason_against_row(row: Mapping[str, Any], columns: Columns) -> tuple[str, str]:
    """Return the reason why a row's split or language leaves it out, and an explanation; empty texts if none does.

    Raises:
        ValueError: the row lacks the column that the user names, or the language is no text.
    """
    columns.check_unread(row)
    stated = columns.optional(row, "split")
    if other_split(stated, columns.split):
        column = columns.names["split"][0]
        return "other_split", explain_split(column, stated)
    language = _reason_against_language(row, columns)
    return ("not_python", language) if language else ("", "")


def _reason_against_language(row: Mapping[str, Any], columns: Columns) -> str:
    language = columns.optional(row, "language")
    # An empty text is null in CSV.
    if language is None or language == "":
        return ""
    column = columns.names["language"][0]
    if not isinstance(language, str):
        raise ValueError(
            f"column `{column}`: the name of a language is expected, not {type(language).__name__}; "
            "to read no such column, add --columns language="
        )
    if is_python_3(language):
        return ""
    advice = "" if "language" in columns.stated else "; if the column says something else, add --columns language="
    return f"its `{column}` is {language!r}{advice}"


def _pair(
    row: Mapping[str, Any],
    item: Item,
    columns: Columns,
    names: Counter[str],
    license: str | None,
) -> _Read | Dropped:
    where = str(item.where)
    name = ""
    # Answers may be whole conversations: [user: "Add.", assistant: "Sure."] has the answer in its last turn.
    try:
        name = columns.name(row, "task_id") or f"pair-{item.number}"
        problem_id = columns.name(row, "problem_id")
        # What a row of these sets calls its name may be that of its problem.
        name = f"pair-{item.number}" if name in names else name
        reason, explanation = reason_against_row(row, columns)
        if reason:
            return Dropped(reason, where, name, explanation)
        stated_license = read_license(columns.optional(row, "license"))
        chosen = _side(row, columns, "chosen")
        rejected = _side(row, columns, "rejected")
        asked = _asked(row, columns, chosen)
        prompt = _prompt(asked)
    except ValueError as error:
        return Dropped(BAD_RECORD, where, name, str(error))
    if prompt is None:
        return Dropped("no_prompt", where, name)
    if _part_early(chosen, rejected):
        return Dropped("different_turns", where, name)
    if not (is_utf8(_answer(chosen)) and is_utf8(_answer(rejected))):
        return Dropped(BAD_RECORD, where, name, NOT_UTF8)
    programs = find_programs(_answer(chosen), _answer(rejected), _kind(columns, chosen, rejected))
    if isinstance(programs, str):
        reason = programs
        return Dropped(reason, where, name)
    chosen_program, rejected_program = programs
    # An exported pair says that tests judged it; a column of this name that holds something else says nothing.
    tested = columns.optional(row, "tested")
    stated = tested is True or columns.states_language(row) or states_python(_answer(chosen))
    explanation = "" if stated else reason_against_names(chosen_program)
    if explanation:
        return Dropped("undefined_name", where, name, explanation)
    pair = PreferencePair(
        task_id=name,
        prompt=prompt,
        chosen=chosen_program,
        rejected=rejected_program,
        problem_id=problem_id,
        license=stated_license or license,
        tested=tested,
    )
    unwritable = reason_not_to_write(pair)
    if unwritable:
        return Dropped(BAD_RECORD, where, explanation=unwritable)
    return _Read(row, pair.model_copy(update={"task_id": take_name(name, names)}), stated)


def take_name(name: str, names: Counter[str]) -> str:
    """Return a name that is not in use, with a number if needed: `a`, `a#2`, `a#3`.

    Args:
        name: the name that is wanted.
        names: the names in use → the last number behind each; the new one is added.
    """
    number = names[name] + 1
    taken = name if number == 1 else f"{name}#{number}"
    # Another row may have such a name of its own.
    while taken in names:
        number += 1
        taken = f"{name}#{number}"
    names[name] = number
    names[taken] = max(names[taken], 1)
    return taken


def _side(row: Mapping[str, Any], columns: Columns, part: str) -> list[Turn]:
    """Return the turns of an answer.

    Raises:
        ValueError: the answer is several texts, or no text at all; the message names the column.
    """
    values = columns.values(row, part)
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) > 1:
        raise ValueError(f"columns {_named(columns, part)}: one text is expected in all, not {len(texts)}")
    for value in values:
        if isinstance(value, list) and any(isinstance(inner, str) for inner in value):
            raise ValueError(f"column {_named(columns, part)}: one text or messages are expected, not a list of texts")
    return _turns(values)


def _named(columns: Columns, part: str) -> str:
    return "+".join(f"`{name}`" for name in columns.names[part])


def _kind(columns: Columns, chosen: Sequence[Turn], rejected: Sequence[Turn]) -> Kind | None:
    """Return what two answers are: the user says it, or a turn of the assistant is an answer; None: nothing says it."""
    stated = columns.kinds.get("chosen") or columns.kinds.get("rejected")
    if stated is not None:
        return stated
    roles = {turn.role for turn in (*chosen[-1:], *rejected[-1:])}
    return "answer" if roles - {""} else None


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
    if repeated and not columns.has(row, "prompt"):
        asked = before
    else:
        stated = _turns(_joined(columns.values(row, "prompt"), _named(columns, "prompt")))
        asked = _whole_question(stated, before, columns) if repeated else stated + before
    if not columns.has(row, "system"):
        return asked
    system = [Turn("system", turn.text) for turn in _turns(columns.values(row, "system"))]
    return system + asked


def _whole_question(stated: list[Turn], repeated: list[Turn], columns: Columns) -> list[Turn]:
    """Return the question that a prompt's columns and a conversation state both: the one that has all of the other.

    Raises:
        ValueError: they state two questions.
    """
    in_prompt = {"".join(turn.text.split()) for turn in stated} - {""}
    in_answer = {"".join(turn.text.split()) for turn in repeated} - {""}
    if in_answer <= in_prompt and len(stated) >= len(repeated):
        return stated
    if in_prompt <= in_answer:
        return repeated
    raise ValueError(
        f"columns {_named(columns, 'prompt')} and {_named(columns, 'chosen')} ask different questions; "
        "leave one of them in the file"
    )


def _prompt(asked: Sequence[Turn]) -> Prompt | None:
    """Return the prompt: the text of a single question, else messages; None if there is no question.

    Raises:
        ValueError: a turn has a role of its own, or the last one is no question.
    """
    turns = [turn for turn in asked if turn.text.strip()]
    # Sets write a dash for a statement that is not there.
    if not any(says_something(turn.text) for turn in turns if turn.role != "system"):
        return None
    without_roles = all(turn.role == "" for turn in turns)
    single_question = len(turns) == 1 and turns[0].role == "user"
    if without_roles or single_question:
        return "\n\n".join(turn.text for turn in turns)
    messages = []
    for turn in turns:
        messages.append({"role": turn.role or "user", "content": turn.text})
    return read_prompt(messages)


def joined_prompt(row: Mapping[str, Any], columns: Columns) -> Prompt | None:
    """Return the prompt in a row's columns, whose texts are joined by line breaks; None if it says nothing.

    Raises:
        ValueError: a column is missing, or holds something else.
    """
    (first, *others) = _joined(columns.values(row, "prompt"), _named(columns, "prompt"))
    if isinstance(first, str) and not others:
        return first if says_something(first) else None
    return _prompt(_turns([first, *others]))


def _part_early(chosen: Sequence[Turn], rejected: Sequence[Turn]) -> bool:
    """Return True if two conversations differ before their last answer, which alone is trained.

    A side without a question has that of the other side, unless this has earlier answers.
    """
    before, others = [[(turn.role, turn.text.strip()) for turn in turns[:-1]] for turns in (chosen, rejected)]
    several = any(role == "assistant" for role, _ in (*before, *others))
    return (several or bool(before and others)) and before != others


def _joined(values: list[Any], named: str) -> list[Any]:
    """Join the texts of several columns, such as an instruction and its input, by line breaks; messages stay.

    A list of texts, such as examples, is joined in the same way.

    Raises:
        ValueError: there are texts and messages; the message names the columns.
    """
    texts: list[str] = []
    messages: list[Any] = []
    for value in values:
        parts = value if isinstance(value, list) else [value]
        if all(isinstance(part, str) for part in parts):
            texts += [part for part in parts if part]
        else:
            messages.append(value)
    if texts and messages:
        raise ValueError(f"columns {named}: texts and other values cannot be joined; name columns of one kind")
    return messages or ["\n".join(texts)]


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
