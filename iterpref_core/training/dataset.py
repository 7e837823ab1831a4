"""Pairs, tokenized once: token ids and the masks that objectives choose from, as named columns."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from iterpref_core.config import AnswerStyle, TrainingParams
from iterpref_core.errors import InputError, ModelError, RecordError
from iterpref_core.inference.prompts import render_answer, render_prompt
from iterpref_core.records import FocalSpans, PreferencePair, Span
from iterpref_core.storage.jsonl import check_spans, parse_lines, read_jsonl, read_pairs
from iterpref_core.training.tokenized_programs import encode_programs, mask_from_spans

_BATCH = 64
"""Pairs tokenized at once: enough for many cores, and some megabytes."""


@dataclass(frozen=True)
class TokenizedPair:
    """Token ids of prompt, y+ and y-: each program as it is to be answered, closed by the end token.

    Attributes:
        focal: marks the tokens of D- in y-.
        focal_chosen: those of its counterpart D+ in y+.
        cut: how many tokens of the prompt, y+, y- and D- the length limits cut off.
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
    cut: Sequence[int] = (0, 0, 0, 0)
    task_id: str = ""
    half: int = 0
    ref_chosen: Sequence[float] = ()
    ref_rejected: Sequence[float] = ()

    @property
    def length(self) -> int:
        """Tokens of the prompt and the longer program."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))


@dataclass(frozen=True)
class PairForm:
    """Length limits in tokens, `max_length` that of prompt and program together, and the form of the answers."""

    max_prompt_length: int
    max_length: int
    answer: AnswerStyle


def shared_prefix(first: Sequence[object], second: Sequence[object]) -> int:
    """How many items two sequences begin with in common.

    >>> shared_prefix([1, 2, 3], [1, 2, 4, 3])
    2
    """
    places = enumerate(zip(first, second, strict=False))
    return next((place for place, (left, right) in places if left != right), min(len(first), len(second)))


def marked_end(marks: Sequence[float]) -> int:
    """The place after the last mark that is not 0; 0 if there is none.

    >>> marked_end([0, 1, 0, 1, 0])
    4
    """
    return next((place for place in range(len(marks), 0, -1) if marks[place - 1]), 0)


def join_spans(pairs: Path, spans: Path) -> Iterator[tuple[PreferencePair, FocalSpans]]:
    """Stream the pairs that have spans, in the order of the spans, which follow the order of the pairs.

    Raises:
        RecordError: spans name a pair that is not there or comes earlier, or lie outside of its text.
    """
    remaining = read_pairs(pairs)
    for marked in read_jsonl(spans, FocalSpans, unique=True):
        pair = next((pair for pair in remaining if pair.task_id == marked.task_id), None)
        if pair is None:
            raise RecordError(
                f"{spans}: field 'task_id': {marked.task_id!r} is not in {pairs} or not in its order; "
                "localize these pairs again"
            )
        check_spans(marked, pair, spans)
        yield pair, marked


def count_without_spans(pairs: Path, spans: Path) -> int:
    """How many pairs have no record in `spans`, each of which is of one pair."""
    return sum(1 for _ in parse_lines(pairs)) - sum(1 for _ in parse_lines(spans))


def tokenize_pair(
    pair: PreferencePair, spans: FocalSpans, tokenizer: PreTrainedTokenizerBase, form: PairForm | TrainingParams
) -> TokenizedPair:
    """Tokenize one pair, as `tokenize_pairs` does."""
    return next(tokenize_pairs([(pair, spans)], tokenizer, form))


def tokenize_pairs(
    pairs: Iterable[tuple[PreferencePair, FocalSpans]],
    tokenizer: PreTrainedTokenizerBase,
    form: PairForm | TrainingParams,
) -> Iterator[TokenizedPair]:
    """Tokenize pairs, some dozens at a time and on all cores; a long prompt loses its start, a program its end.

    The token that opens every text for some models stays: they are lost without it.

    Args:
        pairs: the programs, and D- and D+ as characters of them.
        tokenizer: must give offsets and have an end token.
        form: length limits, and the form of the answers.

    Raises:
        ModelError: the tokenizer gives no offsets or has no end token.
        InputError: `max_length` leaves no room for programs.
    """
    if form.max_length <= form.max_prompt_length:
        raise InputError(
            f"max_length (params.yaml: training): {form.max_length} tokens leave no room for a program beside a prompt "
            f"of up to max_prompt_length = {form.max_prompt_length}; raise the former or lower the latter"
        )
    waiting = iter(pairs)
    while batch := list(islice(waiting, _BATCH)):
        prompts = _tokenize_prompts([pair.prompt for pair, _ in batch], tokenizer)
        programs = [
            program
            for pair, marked in batch
            for program in ((pair.chosen, marked.chosen), (pair.rejected, marked.rejected))
        ]
        answers = _tokenize_answers(programs, form.answer, tokenizer)
        for (pair, _), whole in zip(batch, prompts, strict=True):
            (chosen, focal_chosen), (rejected, focal) = next(answers), next(answers)
            surplus = max(len(whole) - form.max_prompt_length, 0)
            begin = whole[:1] if surplus and whole[0] == tokenizer.bos_token_id else []
            prompt = begin + whole[surplus + len(begin) :]
            room = form.max_length - len(prompt)
            yield TokenizedPair(
                prompt_ids=prompt,
                chosen_ids=chosen[:room],
                rejected_ids=rejected[:room],
                focal=focal[:room],
                focal_chosen=focal_chosen[:room],
                cut=[surplus, len(chosen[room:]), len(rejected[room:]), sum(focal[room:])],
                task_id=pair.task_id,
            )


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


def stream_pairs(
    pairs: Path, spans: Path, tokenizer: PreTrainedTokenizerBase, form: PairForm | TrainingParams
) -> Iterator[TokenizedPair]:
    """The pairs that have spans, tokenized.

    Raises:
        InputError: there is no pair, or `max_length` leaves no room for programs.
    """
    rows = tokenize_pairs(join_spans(pairs, spans), tokenizer, form)
    first = next(rows, None)
    if first is None:
        raise InputError(
            f"{spans}: no pair to train on: localization kept none; fixes that only insert lines are dropped or kept "
            "by localization.empty"
        )
    yield first
    yield from rows
