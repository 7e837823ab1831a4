"""Pairs, tokenized once: token ids and the masks that objectives choose from, as named columns."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from iterpref_core.config import AnswerStyle
from iterpref_core.errors import InputError, ModelError, RecordError
from iterpref_core.inference.prompts import render_answer, render_prompt
from iterpref_core.records import FocalSpans, PreferencePair, Span
from iterpref_core.storage.jsonl import check_spans, parse_lines, read_jsonl, read_pairs
from iterpref_core.training.masks import mask_from_spans
from iterpref_core.training.tokenized_programs import encode_programs

_BATCH = 64
"""Pairs tokenized at once: enough for many cores, and some megabytes."""


@dataclass(frozen=True)
class TokenizedPair:
    """Token ids of prompt, y+ and y-: each program as it is to be answered, closed by the end token.

    Attributes:
        focal: marks the tokens of D- in y-.
        focal_chosen: those of its counterpart D+ in y+.
        cut: how many tokens of D- the length limit cut off.
        task_id: of the pair.
        half: of an objective that treats every batch's halves differently, 1 in the half of error regions.
        ref_chosen: log pi_ref of each token of y+, nats; empty until the reference is scored.
        ref_rejected: those of y-.
    """

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    focal: list[int]
    focal_chosen: list[int]
    cut: int = 0
    task_id: str = ""
    half: int = 0
    ref_chosen: Sequence[float] = ()
    ref_rejected: Sequence[float] = ()

    @property
    def length(self) -> int:
        """Tokens of the prompt and the longer program."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))


class PairForm(Protocol):
    """The form that pairs are given as tokens: `TrainingParams`, or what somebody without them asks for.

    Lengths are in tokens; `max_length` is of prompt and program together.
    """

    @property
    def max_prompt_length(self) -> int: ...  # noqa: D102 - the class says it

    @property
    def max_length(self) -> int: ...  # noqa: D102

    @property
    def answer(self) -> AnswerStyle: ...  # noqa: D102


def join_spans(pairs: Path, spans: Path) -> Iterator[tuple[PreferencePair, FocalSpans]]:
    """Stream the pairs that have spans, in the order of the spans, which follow the order of the pairs.

    Raises:
        RecordError: spans name a pair that is not there or comes earlier, or lie outside of its text.
    """
    remaining = read_pairs(pairs)
    for found in read_jsonl(spans, FocalSpans, unique=True):
        pair = next((pair for pair in remaining if pair.task_id == found.task_id), None)
        if pair is None:
            raise RecordError(
                f"{spans}: field 'task_id': {found.task_id!r} is not in {pairs} or not in its order; "
                "localize these pairs again"
            )
        check_spans(found, pair, spans)
        yield pair, found


def count_without_spans(pairs: Path, spans: Path) -> int:
    """How many pairs have no record in `spans`, each of which is of one pair."""
    return sum(1 for _ in parse_lines(pairs)) - sum(1 for _ in parse_lines(spans))


def tokenize_pair(
    pair: PreferencePair, spans: FocalSpans, tokenizer: PreTrainedTokenizerBase, params: PairForm
) -> TokenizedPair:
    """Tokenize one pair, as `tokenize_pairs` does."""
    return next(tokenize_pairs([(pair, spans)], tokenizer, params))


def tokenize_pairs(
    pairs: Iterable[tuple[PreferencePair, FocalSpans]], tokenizer: PreTrainedTokenizerBase, params: PairForm
) -> Iterator[TokenizedPair]:
    """Tokenize pairs, as `tokenize_whole_pairs` does, and cut them to length, as `cut_to_length` does."""
    for row in tokenize_whole_pairs(pairs, tokenizer, params.answer):
        yield cut_to_length(row, params, tokenizer.bos_token_id)


def tokenize_whole_pairs(
    pairs: Iterable[tuple[PreferencePair, FocalSpans]], tokenizer: PreTrainedTokenizerBase, answer: AnswerStyle
) -> Iterator[TokenizedPair]:
    """Tokenize pairs of any length: they are read some dozens at a time, and tokenized on all cores.

    Args:
        pairs: the programs, and D- and D+ as characters of them.
        tokenizer: must give offsets and have an end token.
        answer: the form of the answers.

    Raises:
        ModelError: the tokenizer gives no offsets or has no end token.
    """
    waiting = iter(pairs)
    while batch := list(islice(waiting, _BATCH)):
        prompts = _tokenize_prompts([pair.prompt for pair, _ in batch], tokenizer)
        programs = [(text, own) for pair, spans in batch for text, own in _programs(pair, spans)]
        answers = _tokenize_answers(programs, answer, tokenizer)
        for (pair, _), prompt in zip(batch, prompts, strict=True):
            (chosen_ids, focal_chosen), (rejected_ids, focal) = next(answers), next(answers)
            yield TokenizedPair(prompt, chosen_ids, rejected_ids, focal, focal_chosen, cut=0, task_id=pair.task_id)


def ids_as_bytes(*sequences: Sequence[int]) -> bytes:
    """Sequences of token ids as bytes, each with its length before it: others for all others, for digests."""
    return b"".join(array("q", [len(ids), *ids]).tobytes() for ids in sequences)


def cut_to_length(row: TokenizedPair, params: PairForm, bos: int | None) -> TokenizedPair:
    """Cut a pair to length: a long prompt loses its start, a program its end.

    `bos`, the token that opens every text for some models, stays: they are lost without it.
    """
    prompt, longest = row.prompt_ids, params.max_prompt_length
    if len(prompt) > longest:
        begin = prompt[:1] if prompt[0] == bos else []
        prompt = begin + prompt[len(prompt) - longest + len(begin) :]
    room = params.max_length - len(prompt)
    if len(prompt) == len(row.prompt_ids) and row.length <= params.max_length:
        return row
    return TokenizedPair(
        prompt_ids=prompt,
        chosen_ids=row.chosen_ids[:room],
        rejected_ids=row.rejected_ids[:room],
        focal=row.focal[:room],
        focal_chosen=row.focal_chosen[:room],
        cut=sum(row.focal[room:]),
        task_id=row.task_id,
    )


def _programs(pair: PreferencePair, spans: FocalSpans) -> tuple[tuple[str, tuple[Span, ...]], ...]:
    return (pair.chosen, spans.chosen), (pair.rejected, spans.rejected)


def _tokenize_prompts(prompts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    texts = [render_prompt(tokenizer, prompt) for prompt in prompts]
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=tokenizer.chat_template is None)["input_ids"]
    return ids


def _tokenize_answers(
    programs: Sequence[tuple[str, tuple[Span, ...]]], style: AnswerStyle, tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[list[int], list[int]]]:
    """Token ids, closed by the end token, and which of them a span of the program touches."""
    answers = [render_answer(program, style) for program, _ in programs]
    encoded = encode_programs(tokenizer, [answer for answer, _ in answers])
    for (ids, offsets), (_, begin), (_, spans) in zip(encoded, answers, programs, strict=True):
        if tokenizer.eos_token_id is None:
            raise ModelError(
                f"{tokenizer.name_or_path}: this tokenizer has no end token, so no model could learn where a program "
                "ends; name one as eos_token in tokenizer_config.json"
            )
        moved = tuple((begin + start, begin + end) for start, end in spans)
        # Spans are in the program: the end token after it was not wrong, only what it came after.
        yield [*ids, tokenizer.eos_token_id], [*mask_from_spans(offsets, moved), 0]


def load_pairs(pairs: Path, spans: Path, tokenizer: PreTrainedTokenizerBase, params: PairForm) -> list[TokenizedPair]:
    """All pairs that `stream_pairs` gives, in memory."""
    return list(stream_pairs(pairs, spans, tokenizer, params))


def stream_pairs(
    pairs: Path, spans: Path, tokenizer: PreTrainedTokenizerBase, params: PairForm
) -> Iterator[TokenizedPair]:
    """The pairs that have spans, tokenized.

    Raises:
        InputError: there is no pair, or `max_length` leaves no room for programs.
    """
    if params.max_length <= params.max_prompt_length:
        raise InputError(
            f"params.yaml: training.max_length: {params.max_length} tokens leave no room for a program beside a prompt "
            f"of up to training.max_prompt_length = {params.max_prompt_length}; raise the former or lower the latter"
        )
    rows = tokenize_pairs(join_spans(pairs, spans), tokenizer, params)
    first = next(rows, None)
    if first is None:
        raise InputError(
            f"{spans}: no pair to train on: localization kept none, and localization.empty decides about fixes that "
            "only insert"
        )
    yield first
    yield from rows
