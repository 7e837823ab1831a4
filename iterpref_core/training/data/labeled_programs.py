"""Labeled programs: single programs that pass or fail, as rows of a training.

KTO compares what training did to a program with what it did to programs under other rows' prompts. So a row has the
program of the row before it in its micro-batch as its other one, as TRL pairs them:

    prompt 1 | program 1, which passes    y+ is program 1, y- program 3
    prompt 2 | program 2, which fails     y+ is program 1, y- program 2
    prompt 3 | program 3, which passes    y+ is program 3, y- program 2
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records import LabeledProgram
from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.records.prompt_messages import prompt_text, statement_digest
from iterpref_core.storage.items import read_items
from iterpref_core.storage.jsonl import parse_record, tell_further
from iterpref_core.training.data.held_out import held_out, problems_of
from iterpref_core.training.data.row_files import RowReader
from iterpref_core.training.data.tokenization import Exchange, encode_exchanges
from iterpref_core.training.data.tokenized_pair import TokenizedPair

PlacedProgram = tuple[str, LabeledProgram]
"""File and line, for messages; the program that stands there."""

_BATCH = 64
"""Programs tokenized at once."""


class ProgramReader(RowReader):
    """A reader of labeled programs, in the order of training: drawn once, with the seed.

    Args:
        programs: rows of `prompt`, `completion` and `label`, as in TRL's KTO.
        focal: of a failing program the tokens of its error region count alone.
    """

    noun = "programs"

    def __init__(self, programs: Path, *, focal: bool) -> None:
        self.files = {"programs": programs}
        self._path = programs
        self._focal = focal

    def form(self, params: TrainingParams) -> dict[str, object]:
        """Return the settings that decide tokens, order, and the other program of each row."""
        names = {"max_length", "answer", "seed", "micro_batch_size", "validation_share"}
        return {"focal": self._focal} | params.model_dump(include=names)

    def tokenize(self, template: ChatTemplate, params: TrainingParams) -> Iterator[TokenizedPair]:
        """Yield all programs as tokens; none of them is cut, but what stands under another row's prompt may be.

        Raises:
            InputError: a row cannot be used or is too long, or one label alone is left to train on.
            ConfigError: no program, or all of them, would be held out.
        """
        rows = list(self._read(template, params))
        longest = max(rows, key=lambda row: row.length)
        if longest.length > params.max_length:
            too_long = sum(row.length > params.max_length for row in rows)
            raise InputError(
                f"{longest.task_id}: prompt and program have {longest.length:,} tokens, more than training.max_length "
                f"= {params.max_length:,}; of {len(rows):,} programs {too_long:,} are longer, and this one is the "
                "longest; raise it, or leave them out"
            )
        Random(params.seed).shuffle(rows)
        problems = problems_of([row.problem_id for row in rows], [row.statement for row in rows])
        held = held_out(problems, params, 1, rows=self.noun)
        trained = {bool(row.label) for row, is_held in zip(rows, held, strict=True) if not is_held}
        require_both(trained, f"{self._path}: without those held out for validation")
        return with_others(rows, held, params)

    def _read(self, template: ChatTemplate, params: TrainingParams) -> Iterator[TokenizedPair]:
        """Yield the rows in the order of the file, without other programs."""
        programs = read_labeled(self._path, focal=self._focal)
        while batch := list(islice(programs, _BATCH)):
            exchanges = []
            for where, program in batch:
                region = program.rejected_spans or ()
                exchanges.append(Exchange(where, program.prompt, program.completion, region))
            encoded = encode_exchanges(template, exchanges, params.answer)
            for (where, program), tokens in zip(batch, encoded, strict=True):
                if self._focal and not program.label and not any(tokens.marks):
                    raise RecordError(
                        f"{where}: field 'rejected_spans': no token of the program has a part in its error region, "
                        "which the chat template strips or which has no characters; correct the region, or leave the "
                        "row out"
                    )
                yield TokenizedPair(
                    prompt_ids=tokens.prompt_ids,
                    chosen_ids=tokens.ids if program.label else [],
                    rejected_ids=[] if program.label else tokens.ids,
                    focal=[] if program.label else tokens.marks,
                    focal_chosen=[],
                    task_id=where,
                    problem_id=program.problem_id or prompt_text(program.prompt),
                    statement=statement_digest(program.prompt),
                    label=int(program.label),
                )


def with_others(rows: Sequence[TokenizedPair], held: Sequence[bool], params: TrainingParams) -> Iterator[TokenizedPair]:
    """Yield rows with the program of the row before in their micro-batch, the first one with that of the last.

    Args:
        rows: without other programs.
        held: true for those that are held out for validation, which stand in micro-batches of their own.
        params: `micro_batch_size`, and `max_length`, to which the other program is cut with the prompt.
    """
    before: dict[int, TokenizedPair] = {}
    for side in (False, True):
        numbers = [number for number, is_held in enumerate(held) if is_held is side]
        for start in range(0, len(numbers), params.micro_batch_size):
            group = numbers[start : start + params.micro_batch_size]
            before |= {number: rows[group[place - 1]] for place, number in enumerate(group)}
    for number, row in enumerate(rows):
        other = before[number].chosen_ids or before[number].rejected_ids
        ids = other[: params.max_length - len(row.prompt_ids)]
        marks = [1] * len(ids)  # all tokens of the other program count
        if row.label:
            yield replace(row, rejected_ids=ids, focal=marks, focal_chosen=[1] * len(row.chosen_ids))
        else:
            yield replace(row, chosen_ids=ids, focal_chosen=marks)


def read_labeled(path: Path, *, focal: bool) -> Iterator[PlacedProgram]:
    """Yield the programs of a file in any layout that `read_items` knows.

    Args:
        path: rows of `prompt`, `completion` and `label`, as in TRL's KTO.
        focal: each failing program needs its error region.

    Raises:
        RecordError: a row cannot be used; the message names its line.
        InputError: there is no row, or all of them have the same label.
    """
    found = set()
    further: Counter[str] = Counter()
    with closing(read_items(path)) as items:
        for item in items:
            program = parse_record(item.where, item.text, LabeledProgram)
            if focal and not program.label and not any(start < end for start, end in program.rejected_spans or ()):
                raise RecordError(
                    f"{item.where}: field 'rejected_spans': target-kto pushes down the error region of each failing "
                    "program, and this one has none; give [start, end) in characters, leave the row out, or train "
                    "with kto"
                )
            found.add(program.label)
            further.update(list(program.model_extra or ()))
            yield str(item.where), program
    if not found:
        raise InputError(f"{path}: has no program; give rows such as {LabeledProgram.example}")
    require_both(found, str(path))
    tell_further(path, further)


def require_both(labels: set[bool], where: str) -> None:
    """Refuse programs that all pass, or all fail.

    Raises:
        InputError: there is one label alone.
    """
    if len(labels) < 2:
        (label,) = labels
        alone, missing = ("pass", "fails") if label else ("fail", "passes")
        raise InputError(
            f"{where}: all programs {alone} (label {str(label).lower()}), and KTO learns from the difference; add some "
            f"that {missing}"
        )
