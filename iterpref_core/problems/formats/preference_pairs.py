"""Preference pairs in TRL's form, which the published CodeFlow set and what `iterpref export` writes have too.

Answers are programs, or texts with the program in a fenced block. No tests: such pairs enter at localization. Sets with
other columns (UltraFeedback's, AlpacaEval's) become such with `datasets.Dataset.map`.
"""

import ast
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar, Literal

from iterpref_core.errors import InputError
from iterpref_core.inference.answer_extraction import extract_program, lacks_program
from iterpref_core.problems.formats.json_items import parse_item
from iterpref_core.progress import show_progress
from iterpref_core.records import FocalSpans, PreferencePair, Record, Span
from iterpref_core.source_code.syntax_tree import parse_source
from iterpref_core.storage.items import count_items, read_items
from iterpref_core.storage.jsonl import atomic_writer, check_spans

Reason = Literal["several_turns", "no_code", "same_program"]


class Message(Record):
    """One message of a chat."""

    role: str
    content: str


Text = str | tuple[Message, ...]


class TrlPair(Record):
    """A row in TRL's forms, standard or conversational; where `chosen` is a chat, the prompt may be in there.

    Attributes:
        task_id: the pair's name, where the set gives it one.
        spans_method: how the error region was found, where it was; so `iterpref export` writes it.
        rejected_spans: the error region, characters of `rejected`.
        chosen_spans: its counterpart, characters of `chosen`.
    """

    example: ClassVar[str] = PreferencePair.example

    task_id: str | int | None = None
    prompt: Text = ""
    chosen: Text
    rejected: Text
    spans_method: str | None = None
    rejected_spans: tuple[Span, ...] | None = None
    chosen_spans: tuple[Span, ...] = ()


def ingest_pairs(source: Path, out: Path, spans: Path | None = None) -> dict[str, float]:
    """Turn a file of preference pairs into `pairs.jsonl`, ready for `localize` and `train`; streams.

    Args:
        source: JSONL (`.gz` too), or Parquet.
        out: JSONL of pairs to write; a pair without a `task_id` of its own is called `pair-<its line or row>`.
        spans: JSONL of the error regions to write, of the rows that have them.

    Returns:
        `pairs`; with `spans`, how many of them have `spans`; and for what is left out `dropped/several_turns` (the
        prompt is a conversation), `dropped/no_code` (no answer, or prose) and `dropped/same_program`.

    Raises:
        RecordError: a line or row is broken or lacks a field.
        InputError: the file is absent or has no pair, or no error region where they are asked for.
    """
    counts: Counter[str] = Counter({"pairs": 0} | ({"spans": 0} if spans else {}))
    names: set[str] = set()
    total = count_items(source)
    with (
        atomic_writer(out) as out_file,
        atomic_writer(spans) if spans else nullcontext() as spans_file,
        show_progress("ingest", total, unit="pairs") as advance,
    ):
        for item in read_items(source):
            advance()
            raw = parse_item(item, TrlPair, lambda row: row)
            name = "" if raw.task_id is None else str(raw.task_id)
            pair = read_pair(raw, name if name and name not in names else f"pair-{item.number}")
            if isinstance(pair, str):
                counts[f"dropped/{pair}"] += 1
                continue
            names.add(pair.task_id)
            out_file.write(pair.to_json() + "\n")
            counts["pairs"] += 1
            if spans_file is not None and (regions := _regions(raw, pair)) is not None:
                check_spans(regions, pair, source)
                spans_file.write(regions.to_json() + "\n")
                counts["spans"] += 1
        if not counts["pairs"]:
            dropped = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "it is empty"
            raise InputError(f"{source}: no pair to ingest ({dropped}); check the file and --format")
        if spans is not None and not counts["spans"]:
            raise InputError(
                f"{source}: no pair has a field 'rejected_spans'; leave --spans out, and localize the pairs"
            )
    return {name: float(count) for name, count in counts.items()}


def _regions(raw: TrlPair, pair: PreferencePair) -> FocalSpans | None:
    """The error region that comes with a pair, where its programs are the very texts that the region counts in."""
    if raw.rejected_spans is None or (raw.chosen, raw.rejected) != (pair.chosen, pair.rejected):
        return None
    method = raw.spans_method or "unknown"
    return FocalSpans(task_id=pair.task_id, method=method, rejected=raw.rejected_spans, chosen=raw.chosen_spans)


def read_pair(raw: TrlPair, name: str) -> PreferencePair | Reason:
    r"""A pair of this name with its programs out of their fences, or the reason why it is left out.

    Where the chosen text is Python as a whole, both texts are programs as they stand, whatever fences are in their
    strings; else each has its program in a fenced block.

    >>> raw = TrlPair(prompt="Add.", chosen="Now:\n```python\nx = 1\n```", rejected="```python\nx = 2\n```")
    >>> read_pair(raw, "pair-1")
    PreferencePair(task_id='pair-1', prompt='Add.', chosen='x = 1\n', rejected='x = 2\n')
    """
    prompt = _prompt(raw)
    if prompt is None:
        return "several_turns"
    chosen, rejected = _answer(raw.chosen), _answer(raw.rejected)
    if not (_is_python(chosen) and (raw.task_id is not None or "```" not in rejected)):
        chosen, rejected = (text if _is_python(text) else extract_program(text) or "" for text in (chosen, rejected))
    if lacks_program(chosen) or lacks_program(rejected) or not prompt.strip():
        return "no_code"
    if chosen == rejected:
        return "same_program"
    return PreferencePair(task_id=name, prompt=prompt, chosen=chosen, rejected=rejected)


def _prompt(raw: TrlPair) -> str | None:
    """What is asked; None for a conversation of several turns."""
    asked = raw.prompt or raw.chosen
    if isinstance(asked, str):
        return asked if raw.prompt else ""
    users = [message.content for message in asked if message.role == "user"]
    systems = [message.content for message in asked if message.role == "system"]
    return "\n\n".join(systems + users) if len(users) == 1 else None


def _answer(text: Text) -> str:
    """The text, or the last that the assistant of a chat says."""
    if isinstance(text, str):
        return text
    return next((message.content for message in reversed(text) if message.role == "assistant"), "")


def _is_python(text: str) -> bool:
    """Whether the text does something as Python: a word or a number alone is an answer to another question."""
    try:
        body = parse_source(text).body
    except SyntaxError:
        return False
    return not all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Name) for node in body)
