"""Preference pairs by others' columns: TRL's (the published CodeFlow set has them too), UltraFeedback's, AlpacaEval's.

Answers are programs, or texts with the program in a fenced block. No tests: such pairs enter at localization.
"""

import ast
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from iterpref_core.errors import InputError
from iterpref_core.inference.answer_extraction import extract_code
from iterpref_core.problems.formats import PairFormat
from iterpref_core.problems.formats.json_items import count_items, parse_item, read_items
from iterpref_core.progress import show_progress
from iterpref_core.records import FocalSpans, PreferencePair, Record, Span
from iterpref_core.source_code.normal_form import parse_program
from iterpref_core.storage.jsonl import atomic_writers, check_spans

Reason = Literal["several_turns", "no_answer", "no_code", "same_program", "no_preference"]
_FENCE = "```"


class Message(Record):
    """One message of a chat."""

    role: str
    content: str


Text = str | tuple[Message, ...]


class RawPair(Record):
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


class ScoredAnswer(Record):
    """One of several answers."""

    response: str
    overall_score: float | None = None


class ScoredAnswers(Record):
    """A row as UltraFeedback has them: the answer of the highest score is chosen, that of the lowest rejected."""

    example: ClassVar[str] = (
        '{"instruction": "...", "completions": [{"response": "...", "overall_score": 8.5}, '
        '{"response": "...", "overall_score": 3}]}'
    )

    instruction: str
    completions: tuple[ScoredAnswer, ...]

    def pair(self) -> RawPair | Reason:
        """The pair, unless all answers are worth the same."""
        scored = [
            (answer.overall_score, answer.response)
            for answer in self.completions
            if answer.overall_score is not None and math.isfinite(answer.overall_score)
        ]
        best, worst = (choose(scored, key=lambda one: one[0], default=None) for choose in (max, min))
        if best is None or worst is None or best[0] == worst[0]:
            return "no_preference"
        return RawPair(prompt=self.instruction, chosen=best[1], rejected=worst[1])


class TwoAnswers(Record):
    """A row of AlpacaEval's or AlpacaFarm's annotations: `preference` is from 1, the first answer, to 2, the second."""

    example: ClassVar[str] = '{"instruction": "...", "output_1": "...", "output_2": "...", "preference": 1}'

    instruction: str
    input: str | None = None
    output_1: str
    output_2: str
    preference: float | None

    def pair(self) -> RawPair | Reason:
        """The pair, unless neither answer is preferred.

        Raises:
            ValueError: `preference` is out of range.
        """
        if self.preference is None or self.preference in (0, 1.5):  # AlpacaEval writes 0 or 1.5 for a draw
            return "no_preference"
        if not 1 <= self.preference <= 2:
            raise ValueError(f"field 'preference': is {self.preference:g}, and must be from 1 to 2, or 0 for a draw")
        chosen, rejected = self.output_1, self.output_2
        if self.preference > 1.5:
            chosen, rejected = rejected, chosen
        prompt = f"{self.instruction}\n\n{self.input}" if self.input else self.instruction
        return RawPair(prompt=prompt, chosen=chosen, rejected=rejected)


class _Form(NamedTuple):
    """A format: the class of its rows, and what makes a row in TRL's form of one."""

    row: type[Record]
    pair: Callable[[Any], RawPair | Reason]


_TRL = _Form(RawPair, lambda pair: pair)
FORMS: dict[PairFormat, _Form] = {
    "codeflow": _TRL,
    "trl": _TRL,
    "ultrafeedback": _Form(ScoredAnswers, ScoredAnswers.pair),
    "alpacaeval": _Form(TwoAnswers, TwoAnswers.pair),
}


def ingest_pairs(source: Path, out: Path, form: PairFormat = "trl", spans: Path | None = None) -> dict[str, float]:
    """Turn a file of preference pairs into `pairs.jsonl`, ready for `localize` and `train`; streams.

    Args:
        source: JSONL, one JSON array (plain or gzipped, `.gz`), or Parquet.
        out: JSONL of pairs to write; a pair without `task_id` is called `pair-<its line or row>`, one whose `task_id`
            stood before gets a number behind it.
        form: its format.
        spans: JSONL of the error regions to write, of the rows that have them.

    Returns:
        `pairs`; `several_blocks`: pairs with an answer of more than one fenced block, of which the longest is taken;
        with `spans`, how many pairs have `spans`; and for what is left out `dropped/several_turns` (the prompt is a
        conversation), `dropped/no_answer` (a chat without an assistant), `dropped/no_code` (nothing, or prose),
        `dropped/same_program` and `dropped/no_preference` (no answer is better than the other).

    Raises:
        RecordError: a line or row is broken or lacks a field.
        InputError: the file is absent or has no pair, or no error region where they are asked for.
    """
    counts: Counter[str] = Counter(dict.fromkeys(("pairs", "several_blocks", *(["spans"] if spans else [])), 0))
    with atomic_writers(out, spans) as (out_file, spans_file):
        assert out_file is not None
        for pair, regions in _read_pairs(source, FORMS[form], counts):
            out_file.write(pair.to_json() + "\n")
            if spans_file is not None and regions is not None:
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


def _read_pairs(source: Path, form: _Form, counts: Counter[str]) -> Iterator[tuple[PreferencePair, FocalSpans | None]]:
    """The pairs of a file, each with its error region where the file has it; counts what becomes of the rows."""
    used: Counter[str] = Counter()
    with show_progress("ingest", count_items(source), unit="pairs") as advance:
        for item in read_items(source):
            raw = parse_item(item, form.row, form.pair)
            found = raw if isinstance(raw, str) else read_pair(raw, f"pair-{item.number}")
            advance()
            if isinstance(raw, str) or isinstance(found, str):
                counts[f"dropped/{found}"] += 1
                continue
            counts["pairs"] += 1
            counts["several_blocks"] += any(
                _answer(text).count(_FENCE) > 2 and not _is_python(_answer(text)) for text in (raw.chosen, raw.rejected)
            )
            found = found.model_copy(update={"task_id": _name(found.task_id, used)})
            yield found, _regions(raw, found)


def _name(wanted: str, used: Counter[str]) -> str:
    """The name, with a number behind it where it stood before."""
    used[wanted] += 1
    return wanted if used[wanted] == 1 else _name(f"{wanted}#{used[wanted]}", used)


def _regions(raw: RawPair, pair: PreferencePair) -> FocalSpans | None:
    """The error region that comes with a pair, where its programs are the very texts that the region counts in."""
    if raw.rejected_spans is None or (raw.chosen, raw.rejected) != (pair.chosen, pair.rejected):
        return None
    method = raw.spans_method or "unknown"
    return FocalSpans(task_id=pair.task_id, method=method, rejected=raw.rejected_spans, chosen=raw.chosen_spans)


def read_pair(raw: RawPair, otherwise: str) -> PreferencePair | Reason:
    r"""A pair with its programs out of their fences, or the reason why it is left out.

    `otherwise` is the name of a pair that has none. A text that is Python as a whole is the program, whatever fences
    stand in its strings; so is the rejected text beside it in a set that names its pairs, as ours are.

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
    whole = _is_python(chosen)
    # The rejected one may not be Python, but then the set must be one that does without fences.
    if not whole and (_FENCE not in chosen or (_FENCE not in rejected and not _is_python(rejected))):
        return "no_code"
    stands = (whole and raw.task_id is not None) or _is_python(rejected)
    programs = chosen if whole else extract_code(chosen), rejected if stands else extract_code(rejected)
    if not all(program.strip() for program in programs) or not prompt.strip():
        return "no_code"
    if programs[0] == programs[1]:
        return "same_program"
    name = otherwise if raw.task_id in (None, "") else str(raw.task_id)
    return PreferencePair(task_id=name, prompt=prompt, chosen=programs[0], rejected=programs[1])


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
    """Whether the text does something as Python: a word or a number alone is an answer to another question."""
    tree = parse_program(text)
    return tree is not None and not all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Name) for node in tree.body
    )
