"""Labeled rows: single programs as tokens, in the order of training, each with another row's program for TRL's z."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError, ModelError, RecordError
from iterpref_core.models.chat_template import ChatTemplate
from iterpref_core.prompt_messages import prompt_text
from iterpref_core.training.data.tokenization import MarkedProgram, tokenize_marked
from iterpref_core.training.model.model_limits import ModelLimits
from iterpref_core.unpaired.labeled_file import PlacedProgram, read_labeled

_BATCH = 64
"""Programs tokenized at once."""


@dataclass(frozen=True)
class LabeledRow:
    """Token ids of a program with its prompt, closed by the end token.

    Attributes:
        prompt_ids: of the prompt.
        completion_ids: of the program.
        counted: 1 for each of `completion_ids` that counts, else 0.
        label: True: the program passes.
        problem: a name for its problem, which other rows may share.
        KL_completion_ids: another row's program, which TRL scores under this prompt to estimate z.
    """

    prompt_ids: list[int]
    completion_ids: list[int]
    counted: list[int]
    label: bool
    problem: str
    KL_completion_ids: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Return the number of tokens of prompt and program."""
        return len(self.prompt_ids) + len(self.completion_ids)


def read_rows(path: Path, template: ChatTemplate, params: TrainingParams, *, focal: bool) -> list[LabeledRow]:
    """Return the programs of a file as tokens; none is cut.

    Args:
        path: rows of `prompt`, `completion` and `label`.
        template: of the model that is to be trained.
        params: `max_length`, in tokens, and the form of the answers.
        focal: of a failing program the tokens of its error region count alone.

    Raises:
        InputError: a row cannot be used, or is too long.
        ModelError: the tokenizer or the template cannot be used.
    """
    rows = []
    too_long: list[tuple[str, int]] = []
    programs = read_labeled(path, focal=focal)
    while batch := list(islice(programs, _BATCH)):
        for (where, _), row in zip(batch, _tokenize(batch, template, params, focal=focal), strict=True):
            if row.length > params.max_length:
                too_long.append((where, row.length))
            rows.append(row)
    if too_long:
        where, length = too_long[0]
        longest = max(length for _, length in too_long)
        raise InputError(
            f"{where}: prompt and program have {length:,} tokens, more than training.max_length = "
            f"{params.max_length:,}; of {len(rows):,} programs {len(too_long):,} are longer, the longest has "
            f"{longest:,}; raise it, or leave them out"
        )
    return rows


def _tokenize(
    batch: Sequence[PlacedProgram], template: ChatTemplate, params: TrainingParams, *, focal: bool
) -> Iterator[LabeledRow]:
    marked = [
        MarkedProgram(where, program.prompt, program.completion, program.rejected_spans or ())
        for where, program in batch
    ]
    tokens = tokenize_marked(marked, template, params.answer)
    for (where, program), (prompt_ids, completion_ids, touched) in zip(batch, tokens, strict=True):
        counted = touched if focal and not program.label else [1] * len(completion_ids)
        if not any(counted):
            raise RecordError(
                f"{where}: field 'rejected_spans': no token of the program has a part in its error region, which the "
                "chat template strips or which has no characters; correct the region, or leave the row out"
            )
        yield LabeledRow(
            prompt_ids=prompt_ids,
            completion_ids=completion_ids,
            counted=counted,
            label=program.label,
            problem=program.problem_id or prompt_text(program.prompt),
        )


def in_training_order(rows: Sequence[LabeledRow], seed: int) -> list[LabeledRow]:
    """Return the rows in random order: TRL reads them as they stand, and compares those of a micro-batch."""
    drawn = list(rows)
    Random(seed).shuffle(drawn)
    return drawn


def with_mismatched(rows: Sequence[LabeledRow], micro_batch_size: int) -> list[LabeledRow]:
    """Return the rows, each with the program of the row before it in its micro-batch, as TRL pairs them."""
    paired: list[LabeledRow] = []
    for start in range(0, len(rows), micro_batch_size):
        group = rows[start : start + micro_batch_size]
        for position, row in enumerate(group):
            paired.append(replace(row, KL_completion_ids=tuple(group[position - 1].completion_ids)))
    return paired


def check_rows(rows: Sequence[LabeledRow], limits: ModelLimits, max_length: int) -> list[str]:
    """Return what is unusual about the rows for this model, but does not stop a training.

    Args:
        rows: with their mismatched programs.
        limits: of the model.
        max_length: tokens to which TRL cuts a prompt with another row's program.

    Raises:
        ModelError: the model has no embedding for an id, or no position for a token.
    """
    largest = max(max(row.prompt_ids + row.completion_ids) for row in rows)
    unknown = limits.unknown_id(largest, "programs")
    if unknown:
        raise ModelError(unknown)
    longest = max(row.length for row in rows)
    mismatched = max(len(row.prompt_ids) + len(row.KL_completion_ids) for row in rows)
    longest = max(longest, min(mismatched, max_length))
    excess = list(limits.beyond(longest, "the longest program, or another one under its prompt, has"))
    remedy = "lower training.max_length, and leave longer programs out"
    stopping = [f"{each.text}; {remedy}" for each in excess if each.stops]
    if stopping:
        raise ModelError("; ".join(stopping))
    return [f"{each.text}; {remedy}" for each in excess]
