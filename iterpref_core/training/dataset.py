"""Pairs, tokenized once: token ids and the masks that objectives choose from, as named columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from iterpref_core.config import AnswerStyle, TrainingParams
from iterpref_core.errors import InputError, ModelError, RecordError
from iterpref_core.inference.prompts import render_answer, render_prompt
from iterpref_core.records import FocalSpans, PreferencePair, Span
from iterpref_core.storage.jsonl import read_jsonl, read_pairs
from iterpref_core.training.masks import mask_from_spans
from iterpref_core.training.tokenized_programs import encode_program


@dataclass(frozen=True)
class TokenizedPair:
    """Token ids of prompt, y+ and y-: each program as it is to be answered, closed by the end token.

    `focal` marks the tokens of D- in y-, `focal_chosen` those of its counterpart D+ in y+. `cut`: how many tokens of D-
    the length limit cut off.
    """

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    focal: list[int]
    focal_chosen: list[int]
    cut: int
    task_id: str

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
        for field, program in (("rejected", pair.rejected), ("chosen", pair.chosen)):
            if any(not 0 <= start <= end <= len(program) for start, end in getattr(found, field)):
                raise RecordError(
                    f"{spans}: field {field!r} of {found.task_id!r}: a span lies outside of the program, "
                    f"which has {len(program)} characters; localize these pairs again"
                )
        yield pair, found


def tokenize_pair(
    pair: PreferencePair, spans: FocalSpans, tokenizer: PreTrainedTokenizerBase, params: PairForm
) -> TokenizedPair:
    """Tokenize one pair; a long prompt loses its start (but not the token that opens every text), a program its end.

    Args:
        pair: the programs.
        spans: D- and D+, as characters of its programs.
        tokenizer: must give offsets and have an end token.
        params: length limits, in tokens, and the form of the answers.

    Raises:
        ModelError: the tokenizer gives no offsets or has no end token.
    """
    prompt = _tokenize_prompt(pair.prompt, tokenizer, params.max_prompt_length)
    room = params.max_length - len(prompt)
    chosen_ids, focal_chosen = _tokenize_answer(pair.chosen, spans.chosen, params.answer, tokenizer)
    rejected_ids, focal = _tokenize_answer(pair.rejected, spans.rejected, params.answer, tokenizer)
    return TokenizedPair(
        prompt_ids=prompt,
        chosen_ids=chosen_ids[:room],
        rejected_ids=rejected_ids[:room],
        focal=focal[:room],
        focal_chosen=focal_chosen[:room],
        cut=sum(focal[room:]),
        task_id=pair.task_id,
    )


def _tokenize_prompt(prompt: str, tokenizer: PreTrainedTokenizerBase, longest: int) -> list[int]:
    text = render_prompt(tokenizer, prompt)
    ids: list[int] = tokenizer(text, add_special_tokens=tokenizer.chat_template is None)["input_ids"]
    # Models that begin every text with the same token are lost without it.
    bos = ids[:1] if ids and ids[0] == tokenizer.bos_token_id else []
    return ids if len(ids) <= longest else bos + ids[len(ids) - longest + len(bos) :]


def _tokenize_answer(
    program: str, spans: tuple[Span, ...], style: AnswerStyle, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[int]]:
    """Token ids, closed by the end token, and which of them a span of the program touches."""
    answer, begin = render_answer(program, style)
    ids, offsets = encode_program(tokenizer, answer)
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"{tokenizer.name_or_path}: this tokenizer has no end token, so no model could learn where a program "
            "ends; name one as eos_token in tokenizer_config.json"
        )
    spans = tuple((begin + start, begin + end) for start, end in spans)
    # Spans are in the program: the end token after it was not wrong, only what it came after.
    return [*ids, tokenizer.eos_token_id], [*mask_from_spans(offsets, spans), 0]


def load_pairs(
    pairs: Path, spans: Path, tokenizer: PreTrainedTokenizerBase, params: TrainingParams
) -> list[TokenizedPair]:
    """All pairs, tokenized.

    Raises:
        InputError: there is no pair, or `max_length` leaves no room for programs.
    """
    if params.max_length <= params.max_prompt_length:
        raise InputError(
            f"params.yaml: training.max_length: {params.max_length} tokens leave no room for a program beside a prompt "
            f"of up to training.max_prompt_length = {params.max_prompt_length}; raise the former or lower the latter"
        )
    rows = [tokenize_pair(pair, found, tokenizer, params) for pair, found in join_spans(pairs, spans)]
    if not rows:
        raise InputError(f"{spans}: no pair to train on; look at the drop reasons of the stages before")
    return rows
