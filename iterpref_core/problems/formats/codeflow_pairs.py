"""Pairs as the published CodeFlow set has them: `prompt`, `chosen` and `rejected`, with the programs in fenced blocks.

No ids and no tests: such pairs enter at localization. Texts may also be lists of chat messages, as preference sets
for chat models have them.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from iterpref_core.errors import InputError
from iterpref_core.inference.answer_extraction import extract_code
from iterpref_core.problems.formats.json_items import count_items, parse_item, read_items
from iterpref_core.progress import show_progress
from iterpref_core.records import PreferencePair, Record
from iterpref_core.source_code.normal_form import parse_program
from iterpref_core.storage.jsonl import write_jsonl

Reason = Literal["several_turns", "no_answer", "no_code", "same_program"]
_FENCE = "```"


class Message(Record):
    """One message of a chat."""

    role: str
    content: str


Text = str | tuple[Message, ...]


class RawPair(Record):
    """A line of a file of such pairs; where `chosen` is a chat, the prompt may be in there."""

    example: ClassVar[str] = PreferencePair.example

    prompt: Text = ""
    chosen: Text
    rejected: Text


def ingest_pairs(source: Path, out: Path) -> dict[str, float]:
    """Turn a file of fenced pairs into `pairs.jsonl`, ready for `localize` and `train`; streams.

    Args:
        source: JSONL, or one JSON array; plain or gzipped (`.gz`).
        out: JSONL of pairs to write; a pair is called `pair-<its line, or its place in the array>`.

    Returns:
        `pairs`; `several_blocks`: pairs with an answer of more than one fenced block, of which the longest is taken;
        and for what is left out `dropped/several_turns` (the prompt is a conversation), `dropped/no_answer` (a chat
        without an assistant), `dropped/no_code` (nothing, or prose) and `dropped/same_program`.

    Raises:
        RecordError: a line is broken or lacks a field.
        InputError: the file is absent or has no pair.
    """
    counts: Counter[str] = Counter(dict.fromkeys(("pairs", "several_blocks"), 0))
    with show_progress("ingest", count_items(source), unit="pairs") as advance:

        def pairs() -> Iterator[PreferencePair]:
            for item in read_items(source):
                raw = parse_item(item, RawPair, lambda pair: pair)
                found = read_pair(raw, f"pair-{item.number}")
                advance()
                if isinstance(found, str):
                    counts[f"dropped/{found}"] += 1
                    continue
                counts["pairs"] += 1
                counts["several_blocks"] += any(_answer(text).count(_FENCE) > 2 for text in (raw.chosen, raw.rejected))
                yield found
            if not counts["pairs"]:
                dropped = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "it is empty"
                raise InputError(f"{source}: no pair to ingest ({dropped}); check the file and --format")

        write_jsonl(out, pairs())
    return {name: float(count) for name, count in counts.items()}


def read_pair(raw: RawPair, task_id: str) -> PreferencePair | Reason:
    r"""A pair with its programs out of their fences, or the reason why it is left out.

    >>> raw = RawPair(prompt="Add.", chosen="Now:\n```python\nx = 1\n```", rejected="```python\nx = 2\n```")
    >>> read_pair(raw, "pair-1")
    PreferencePair(task_id='pair-1', prompt='Add.', chosen='x = 1\n', rejected='x = 2\n')
    """
    prompt = _prompt(raw)
    if prompt is None:
        return "several_turns"
    chosen, rejected = _answer(raw.chosen), _answer(raw.rejected)
    if not chosen.strip() or not rejected.strip():
        return "no_answer"
    fenced = _FENCE in chosen
    programs = extract_code(chosen), extract_code(rejected)
    if not all(program.strip() for program in programs) or not prompt.strip():
        return "no_code"
    # Without fences the whole text should be the program. The rejected one may not be Python, but then the set must be
    # one that does without fences.
    if (not fenced and not _is_python(chosen)) or (fenced and _FENCE not in rejected and not _is_python(rejected)):
        return "no_code"
    if programs[0] == programs[1]:
        return "same_program"
    return PreferencePair(task_id=task_id, prompt=prompt, chosen=programs[0], rejected=programs[1])


def _prompt(raw: RawPair) -> str | None:
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
    return parse_program(text) is not None
