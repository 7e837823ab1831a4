"""Workload: pairs' lengths, and the slots that a layout makes of them in an epoch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

from transformers import PreTrainedTokenizerBase

from iterpref_core.config import TrainingParams
from iterpref_core.objectives.objectives import HALF, Objective
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.training.batches import PAD_TO_MULTIPLE_OF, pack
from iterpref_core.training.dataset import TokenizedPair, join_spans, stream_pairs
from iterpref_core.training.masks import marked_end, shared_prefix

T = TypeVar("T")

CHARACTERS_PER_TOKEN = 3.0
"""Where there is no tokenizer. BPEs for code make tokens of 3 to 4 characters; the guess errs on the long side."""


@dataclass(frozen=True)
class PairLengths:
    """One pair, in tokens. The programs end with the end token.

    `shared`: tokens with which both programs begin. `focal`: tokens of D-. `branch`: tokens of y- up to the last of D-.
    """

    prompt: int
    chosen: int
    rejected: int
    shared: int
    focal: int
    branch: int


@dataclass(frozen=True)
class MicroBatch:
    """A micro-batch: `rows` rows of `width` slots each, of which `labels` count for something."""

    rows: int
    width: int
    labels: int


@dataclass(frozen=True)
class Workload:
    """One epoch, and scoring the reference before it.

    `slots`, `labels`: in all. `attended`: sum of width squared over all rows. `largest`: the micro-batch with most
    slots. `reference_slots`, `reference_attended`, `reference_largest`: the same of the reference's forward pass, 0
    where the objective has none. `programs`: tokens of all programs, whose log-probabilities are kept.
    """

    pairs: int
    slots: int
    attended: int
    labels: int
    largest: MicroBatch
    reference_slots: int
    reference_attended: int
    reference_largest: MicroBatch
    programs: int


def lengths_of_tokens(row: TokenizedPair) -> PairLengths:
    """Lengths of a tokenized pair."""
    return PairLengths(
        prompt=len(row.prompt_ids),
        chosen=len(row.chosen_ids),
        rejected=len(row.rejected_ids),
        shared=shared_prefix(row.chosen_ids, row.rejected_ids),
        focal=sum(row.focal),
        branch=marked_end(row.focal),
    )


def lengths_of_text(pair: PreferencePair, spans: FocalSpans, params: TrainingParams) -> PairLengths:
    """Lengths guessed from characters, `CHARACTERS_PER_TOKEN` of them a token, cut off where training would."""

    def tokens(characters: int) -> int:
        return round(characters / CHARACTERS_PER_TOKEN)

    prompt = min(tokens(len(pair.prompt)), params.max_prompt_length)
    room = params.max_length - prompt
    return PairLengths(
        prompt=prompt,
        chosen=min(tokens(len(pair.chosen)) + 1, room),
        rejected=min(tokens(len(pair.rejected)) + 1, room),
        shared=min(tokens(shared_prefix(pair.chosen, pair.rejected)), room),
        focal=min(tokens(sum(end - start for start, end in spans.rejected)), room),
        branch=min(tokens(max((end for _, end in spans.rejected), default=0)), room),
    )


def read_lengths(
    pairs: Path, spans: Path, tokenizer: PreTrainedTokenizerBase | None, params: TrainingParams
) -> list[PairLengths]:
    """Every pair's lengths; guessed from characters where there is no tokenizer.

    Raises:
        InputError: the pairs cannot be used.
    """
    if tokenizer is not None:
        return [lengths_of_tokens(row) for row in stream_pairs(pairs, spans, tokenizer, params)]
    return [lengths_of_text(pair, found, params) for pair, found in join_spans(pairs, spans)]


def measure_workload(lengths: Sequence[PairLengths], objective: Objective, params: TrainingParams) -> Workload:
    """Lay all pairs out in batches, as training does, but without their content.

    Args:
        lengths: of every pair; at least one.
        objective: which programs take part, and which tokens of them count.
        params: layout, micro-batch and seed. The seed decides which pairs share a micro-batch, though not exactly those
            that training puts together.
    """
    order = Random(params.seed).sample(lengths, len(lengths))
    batches = [
        _micro_batch(pairs, number, objective, params)
        for number, pairs in enumerate(_parts(order, params.micro_batch_size))
    ]
    scored = sorted(_reference_lengths(lengths)) if objective.preference else []
    reference = [
        _row([width for width, _ in part], sum(program for _, program in part))
        for part in _parts(scored, 2 * params.micro_batch_size)
    ]
    return Workload(
        pairs=len(lengths),
        slots=sum(batch.rows * batch.width for batch in batches),
        attended=sum(batch.rows * batch.width**2 for batch in batches),
        labels=sum(batch.labels for batch in batches),
        largest=max(batches, key=lambda batch: batch.rows * batch.width),
        reference_slots=sum(batch.rows * batch.width for batch in reference),
        reference_attended=sum(batch.rows * batch.width**2 for batch in reference),
        reference_largest=max(reference, key=lambda batch: batch.rows * batch.width, default=MicroBatch(0, 0, 0)),
        programs=sum(pair.chosen + pair.rejected for pair in lengths) if objective.preference else 0,
    )


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _reference_lengths(lengths: Iterable[PairLengths]) -> Iterator[tuple[int, int]]:
    """Tokens of each prompt with a program, and of the program."""
    for pair in lengths:
        yield pair.prompt + pair.chosen, pair.chosen
        yield pair.prompt + pair.rejected, pair.rejected


def _micro_batch(pairs: Sequence[PairLengths], number: int, objective: Objective, params: TrainingParams) -> MicroBatch:
    pieces, labels = [], 0
    for pair in pairs:
        if not objective.preference:
            program = pair.chosen if objective.nll_of == "chosen" else pair.rejected
            pieces.append(pair.prompt + program - 1)
            labels += program
            continue
        whole = objective.rejected == "all" or (objective.rejected == HALF and number % 2 == 1)
        counted, end = (pair.rejected, pair.rejected) if whole else (pair.focal, pair.branch)
        trunk = pair.prompt + pair.chosen - 1
        if params.layout == "fork":
            pieces.append(trunk + max(end - pair.shared, 0))
        else:
            pieces += [trunk, pair.prompt + pair.rejected - 1]
        labels += pair.chosen + counted
    if params.layout == "padded":
        return _row(pieces, labels)
    width, places = pack(pieces, PAD_TO_MULTIPLE_OF)
    return MicroBatch(1 + max(row for row, _ in places), width, labels)


def _row(widths: Sequence[int], labels: int) -> MicroBatch:
    width = max(-(-max(widths) // PAD_TO_MULTIPLE_OF), 1) * PAD_TO_MULTIPLE_OF
    return MicroBatch(len(widths), width, labels)
