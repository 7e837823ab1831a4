"""KL divergence of a trained model from its start: on error regions, on the rest of pairs, and on other programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean

import torch
from transformers import PreTrainedModel

from iterpref_core.config import Params
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.inference.local.weights import load_model
from iterpref_core.records import Divergence, PreferencePair, Problem
from iterpref_core.training.dataset import TokenizedPair, stream_pairs, tokenize_pair
from iterpref_core.training.masks import shared_prefix
from iterpref_core.training.reference import Program, pad_programs
from iterpref_core.training.shifts import NOTHING_MARKED


@dataclass(frozen=True)
class _Tokens:
    """A program's tokens, each (n,): KL(trained || start), and log-probabilities before and after; nats."""

    kl: torch.Tensor
    before: torch.Tensor
    after: torch.Tensor


def measure_divergence(
    start: PreTrainedModel,
    trained: PreTrainedModel,
    pairs: Sequence[TokenizedPair],
    unrelated: Sequence[Program],
    batch_size: int,
) -> Divergence:
    """Compare two models' distributions over the next token, wherever programs are read as they stand.

    Args:
        start: the model before training.
        trained: the model after it, with the same vocabulary.
        pairs: at least one of them with an error region.
        unrelated: prompts and programs that no pair has.
        batch_size: programs read at once; all logits of these are held, twice.
    """
    chosen = list(_compare(start, trained, [(row.prompt_ids, row.chosen_ids) for row in pairs], batch_size))
    rejected = list(_compare(start, trained, [(row.prompt_ids, row.rejected_ids) for row in pairs], batch_size))
    others = list(_compare(start, trained, unrelated, batch_size))
    marks = [torch.tensor(row.focal, dtype=torch.bool) for row in pairs]
    places = (shared_prefix(row.chosen_ids, row.rejected_ids) for row in pairs)
    first = [(own, place) for own, place in zip(rejected, places, strict=True) if place < len(own.kl)]
    return Divergence(
        kl_error=_mean(own.kl[mark] for own, mark in zip(rejected, marks, strict=True)),
        kl_rejected=_mean(own.kl[~mark] for own, mark in zip(rejected, marks, strict=True)),
        kl_chosen=_mean(own.kl for own in chosen),
        kl_unrelated=_mean(own.kl for own in others),
        chosen_logp=(
            fmean(float(own.before.sum()) for own in chosen),
            fmean(float(own.after.sum()) for own in chosen),
        ),
        first_wrong=(
            fmean(float(own.before[place].exp()) for own, place in first),
            fmean(float(own.after[place].exp()) for own, place in first),
        ),
    )


def divergence_of(
    start: Path, trained: Path, pairs: Path, spans: Path, others: Sequence[Problem], params: Params, count: int
) -> Divergence:
    """`measure_divergence` of two checkpoints, on the first pairs and on other problems' references.

    Args:
        start: folder of the model before training.
        trained: of the model after it.
        pairs: preference pairs.
        spans: their error regions.
        others: problems that no pair is of, with references.
        params: of the experiment: how programs are tokenized, and how many are read at once.
        count: of pairs.
    """
    tokenizer = load_tokenizer(start, params.model.prompt)
    rows = list(islice(stream_pairs(pairs, spans, tokenizer, params.training), count))
    written = ((one, one.reference or "") for one in others)
    alike = [  # programs are tokenized in pairs: of each of these both are the same
        PreferencePair(task_id=one.task_id, prompt=one.prompt, chosen=code, rejected=code) for one, code in written
    ]
    unrelated = [tokenize_pair(pair, NOTHING_MARKED, tokenizer, params.training) for pair in alike]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    before, after = (load_model(model).float().eval().to(device) for model in (start, trained))
    programs = [(row.prompt_ids, row.chosen_ids) for row in unrelated]
    return measure_divergence(before, after, rows, programs, params.training.micro_batch_size)


def _mean(parts: Iterator[torch.Tensor]) -> float:
    return float(torch.cat(list(parts)).mean())


@torch.inference_mode()
def _compare(
    start: PreTrainedModel, trained: PreTrainedModel, programs: Sequence[Program], batch_size: int
) -> Iterator[_Tokens]:
    """Each program's tokens, in order; the first token of a program without a prompt is predicted from nothing."""
    for first in range(0, len(programs), batch_size):
        batch = programs[first : first + batch_size]
        ids, mask = pad_programs(batch, start.device)
        before, after = (
            torch.log_softmax(model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float(), dim=-1)
            for model in (start, trained)
        )
        kl = (after.exp() * (after - before)).sum(dim=-1)
        for number, (prompt, program) in enumerate(batch):
            places = torch.arange(max(len(prompt), 1), len(prompt) + len(program), device=ids.device)
            labels = ids[number, places, None]
            found = (
                kl[number, places - 1],
                before[number, places - 1].gather(1, labels)[:, 0],
                after[number, places - 1].gather(1, labels)[:, 0],
            )
            missing = len(program) - len(places)
            yield _Tokens(*(torch.nn.functional.pad(values.cpu(), (missing, 0)) for values in found))
