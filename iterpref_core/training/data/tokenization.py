"""Tokenization of pairs: their files in, token ids and the masks that objectives choose from out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.exchange_tokens import Exchange, encode_exchanges
from iterpref_core.records import FocalSpans, PreferencePair, Span
from iterpref_core.records.config import AnswerFormat, TrainingParams
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.records.prompt_messages import statement_digest
from iterpref_core.storage.jsonl import check_spans, read_jsonl, read_pairs
from iterpref_core.training.data.row_files import RowReader
from iterpref_core.training.data.tokenized_pair import TokenizedPair

_BATCH = 64
"""Pairs tokenized at once: enough for many cores, and some megabytes."""


@dataclass(frozen=True)
class PairForm:
    """Length limits in tokens, `max_length` that of prompt and program together, and the form of the answers."""

    max_prompt_length: int
    max_length: int
    answer: AnswerFormat


class PairReader(RowReader):
    """A reader of the pairs that have spans."""

    noun = "pairs"

    def __init__(self, pairs: Path, spans: Path) -> None:
        self.files = {"pairs": pairs, "spans": spans}
        self.methods: set[str] = set()
        self._pairs = pairs
        self._spans = spans

    def __iter__(self) -> Iterator[tuple[PreferencePair, FocalSpans]]:
        """Yield each pair with its spans, in the order of the spans, which follow the order of the pairs.

        Raises:
            RecordError: spans name a pair that is not there or comes earlier, or lie outside of its text.
            InputError: there is no pair with spans.
        """
        marked = None
        remaining = read_pairs(self._pairs)
        for marked in read_jsonl(self._spans, FocalSpans, unique=True):
            yield self._next_pair(remaining, marked), marked
        if marked is None:
            raise InputError(
                f"{self._spans}: no pair to train on: localization kept none; fixes that only insert lines are dropped "
                "or kept by localization.empty"
            )
        self.without_spans += sum(1 for _ in remaining)

    def _next_pair(self, remaining: Iterator[PreferencePair], marked: FocalSpans) -> PreferencePair:
        """Return the pair of a record of spans; those before it have none."""
        self.methods.add(marked.method)
        for pair in remaining:
            if pair.task_id == marked.task_id:
                check_spans(marked, pair, self._spans)
                return pair
            self.without_spans += 1
        raise RecordError(
            f"{self._spans}: field 'task_id': {marked.task_id!r} is not in {self._pairs} or not in its order; "
            "localize these pairs again"
        )

    def form(self, params: TrainingParams) -> dict[str, object]:
        """Return the length limits, in tokens, and the form of the answers."""
        return params.model_dump(include={"max_prompt_length", "max_length", "answer"})

    def tokenize(self, template: ChatTemplate, params: TrainingParams) -> Iterator[TokenizedPair]:
        """Yield the pairs that have spans, tokenized.

        Raises:
            InputError: there is no pair, or `max_length` leaves no room for programs.
        """
        return tokenize_pairs(self, template, params)


def tokenize_pairs(
    pairs: Iterable[tuple[PreferencePair, FocalSpans]],
    template: ChatTemplate,
    form: PairForm | TrainingParams,
) -> Iterator[TokenizedPair]:
    """Tokenize pairs, some dozens at a time and on all cores; a long prompt loses its start, a program its end.

    The token that opens every text for some models stays: they are lost without it.

    Args:
        pairs: the programs, and D- and D+ as characters of them.
        template: the texts of the model's chat template; its tokenizer must give offsets and have an end token.
        form: length limits, and the form of the answers.

    Raises:
        ModelError: the tokenizer gives no offsets or has no end token, or the template changes a program.
        InputError: `max_length` leaves no room for programs.
    """
    if form.max_length <= form.max_prompt_length:
        raise InputError(
            f"max_length (params.yaml: training): {form.max_length} tokens leave no room for a program beside a prompt "
            f"of up to max_prompt_length = {form.max_prompt_length}; raise the former or lower the latter"
        )
    waiting = iter(pairs)
    while batch := list(islice(waiting, _BATCH)):
        exchanges = []
        for pair, _ in batch:
            for program in (pair.chosen, pair.rejected):
                exchanges.append(Exchange(f"pair {pair.task_id!r}", pair.prompt, program))
        tokens = iter(encode_exchanges(template, exchanges, form.answer))
        for pair, marked in batch:
            chosen = next(tokens)
            rejected = next(tokens)
            # With room for four tokens the prompt "<s> a b c d e" becomes "<s> c d e": its start goes, but for "<s>".
            whole = chosen.prompt_ids
            surplus = max(len(whole) - form.max_prompt_length, 0)
            begin = whole[:1] if surplus and whole[0] == template.tokenizer.bos_token_id else []
            prompt = begin + whole[surplus + len(begin) :]
            room = form.max_length - len(prompt)
            focal = mask_from_spans(rejected.places, marked.rejected)
            yield TokenizedPair(
                prompt_ids=prompt,
                chosen_ids=chosen.ids[:room],
                rejected_ids=rejected.ids[:room],
                focal=focal[:room],
                focal_chosen=mask_from_spans(chosen.places, marked.chosen)[:room],
                task_id=pair.task_id,
                blank=int(not pair.chosen.strip()),
                problem_id=pair.problem_id or pair.task_id,
                statement=statement_digest(pair.prompt),
                prompt_truncated=surplus,
                chosen_truncated=len(chosen.ids[room:]),
                rejected_truncated=len(rejected.ids[room:]),
                focal_truncated=sum(focal[room:]),
            )


def mask_from_spans(places: Sequence[Span] | np.ndarray, spans: Sequence[Span]) -> list[int]:
    """Mark the tokens that share at least one character with a span.

    A token that straddles the edge of a span is marked: the model chose the wrong character by choosing that token.

    Args:
        places: for each token its [start, end) in the text.
        spans: [start, end) character ranges, in any order; they may overlap or be empty.

    Returns:
        1 for marked tokens, else 0; as long as `places`.

    >>> mask_from_spans([(0, 3), (3, 5), (5, 9)], [(4, 6)])
    [0, 1, 1]
    """
    edges = np.asarray(places, np.int64).reshape(-1, 2)
    starts = edges[:, 0]
    ends = edges[:, 1]
    has_characters = starts < ends
    marks = np.zeros(len(edges), dtype=bool)
    for first, last in spans:
        if first < last:
            marks |= has_characters & (starts < last) & (first < ends)
    mask: list[int] = marks.astype(int).tolist()
    return mask
