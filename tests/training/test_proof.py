"""Every objective against the paper's equations, written out a second time: one pair, one program, one token at a time.

Nothing here is shared with the code under test but the model: no batches, no padding, no columns, no weights. In
float64, so that agreement means the same formula and not the same rounding.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase
from trl import DPOConfig

from iterpref_core.config import Layout, ObjectiveName
from iterpref_core.training.columns import objective_columns
from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.layouts import make_collator
from iterpref_core.training.objectives import OBJECTIVES
from iterpref_core.training.reference import ReferenceLogps
from iterpref_core.training.trainer import FocalDPOTrainer

BETA, ALPHA = 0.3, 2.0


@dataclass
class Scored:
    """One pair, every token's log-probability under the policy (with gradient) and the reference."""

    pair: TokenizedPair
    chosen: list[torch.Tensor]
    rejected: list[torch.Tensor]
    ref_chosen: list[float]
    ref_rejected: list[float]


def _score(model: PreTrainedModel, prompt: list[int], program: list[int]) -> list[torch.Tensor]:
    """log pi(token | all before it), token by token."""
    ids = prompt + program
    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    return [
        logits[place - 1, ids[place]] - torch.logsumexp(logits[place - 1], dim=0)
        for place in range(len(prompt), len(ids))
    ]


def _ratio(logps: list[torch.Tensor], ref: list[float], marks: list[int] | None = None) -> torch.Tensor:
    """Sum of log(pi / pi_ref), over the marked tokens alone where there are marks."""
    total = torch.zeros((), dtype=torch.float64)
    for place, (own, other) in enumerate(zip(logps, ref, strict=True)):
        if marks is None or marks[place]:
            total = total + own - other
    return total


def _nll(programs: list[list[torch.Tensor]], reduction: Literal["mean", "sum"]) -> torch.Tensor:
    total = -sum((token for program in programs for token in program), torch.zeros((), dtype=torch.float64))
    return total / (sum(map(len, programs)) if reduction == "mean" else len(programs))


def _preference(k_plus: torch.Tensor, k_minus: torch.Tensor) -> torch.Tensor:
    return torch.log1p(torch.exp(-BETA * (k_plus - k_minus)))


def _margins(name: str, scored: list[Scored]) -> list[torch.Tensor]:
    """Each pair's -log sigma(beta (K+ - K-)), by what the paper says of the method."""
    losses = []
    for number, one in enumerate(scored):
        k_plus, k_minus = _ratio(one.chosen, one.ref_chosen), _ratio(one.rejected, one.ref_rejected)
        focal = _ratio(one.rejected, one.ref_rejected, one.pair.focal)
        match name.rsplit("-", 1)[0]:
            case "dpo" | "rpo":
                losses.append(_preference(k_plus, k_minus))
            case "target":
                losses.append(_preference(k_plus, focal))
            case "symmetric":
                losses.append(_preference(_ratio(one.chosen, one.ref_chosen, one.pair.focal_chosen), focal))
            case "hybrid":  # the data: whole programs first, then error regions
                losses.append(_preference(k_plus, k_minus if number < len(scored) // 2 else focal))
            case other:
                raise AssertionError(other)
    return losses


def _expected(name: ObjectiveName, scored: list[Scored], reduction: Literal["mean", "sum"]) -> torch.Tensor:
    if name == "sft":
        return ALPHA * _nll([one.chosen for one in scored], reduction)
    if name == "sft-rejected":
        return ALPHA * _nll([one.rejected for one in scored], reduction)
    preference = sum(_margins(name, scored), torch.zeros((), dtype=torch.float64)) / len(scored)
    return preference + (ALPHA * _nll([one.chosen for one in scored], reduction) if name.endswith("rpo") else 0)


def _random_pairs(seed: int, vocabulary: int) -> list[TokenizedPair]:
    """Pairs that share a prefix of any length, none and all included, with marks anywhere, none included."""
    random = Random(seed)

    def draw(low: int, high: int) -> list[int]:
        return [random.randrange(4, vocabulary) for _ in range(random.randint(low, high))]

    pairs = []
    for _ in range(6):
        shared = draw(0, 12)
        chosen, rejected = shared + draw(1, 9), shared + draw(1, 9)
        share = random.choice([0.0, 0.3, 1.0])
        marks = [[int(random.random() < share) for _ in program] for program in (chosen, rejected)]
        pairs.append(TokenizedPair(draw(1, 7), chosen, rejected, marks[1], marks[0], cut=0, task_id=str(len(pairs))))
    return pairs


def _random_reference(pair: TokenizedPair) -> tuple[list[float], list[float]]:
    """A log-probability for each token given all before it, so that a common prefix has the same in both programs."""
    return tuple(
        [-Random(str(pair.prompt_ids + program[: place + 1])).random() for place in range(len(program))]
        for program in (pair.chosen_ids, pair.rejected_ids)
    )  # type: ignore[return-value]


def _gradients(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.fixture
def load(model_folder: Path) -> Callable[[], PreTrainedModel]:
    return lambda: AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float64)


@pytest.mark.parametrize("layout", ["padded", "fork"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_loss_and_gradient_are_the_paper_s_equations(
    objective: ObjectiveName,
    reduction: Literal["mean", "sum"],
    layout: Layout,
    load: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
) -> None:
    by_hand, model = load(), load()
    pairs = _random_pairs(len(objective) + len(layout), tokenizer.vocab_size)
    twice = pairs * 2 if objective.startswith("hybrid") else pairs
    reference = {id(pair): _random_reference(pair) for pair in pairs}
    scored = [
        Scored(
            pair,
            _score(by_hand, pair.prompt_ids, pair.chosen_ids),
            _score(by_hand, pair.prompt_ids, pair.rejected_ids),
            *reference[id(pair)],
        )
        for pair in twice
    ]
    expected = _expected(objective, scored, reduction)
    expected.backward()  # type: ignore[no-untyped-call]

    row = OBJECTIVES[objective]
    logps = ReferenceLogps([reference[id(p)][0] for p in pairs], [reference[id(p)][1] for p in pairs])
    columns = objective_columns(pairs, row, logps if row.preference else None)
    trainer = FocalDPOTrainer(
        objective=row,
        alpha=0.0 if objective.endswith("dpo") else ALPHA,
        nll=reduction,
        model=model,
        args=DPOConfig(
            output_dir=str(tmp_path), report_to="none", use_cpu=True, bf16=False, beta=BETA, max_length=None,
            precompute_ref_log_probs=True, dataloader_pin_memory=False, activation_checkpointing=False,
        ),
        data_collator=make_collator(layout, tokenizer.pad_token_id, preference=row.preference, pad_to_multiple_of=8),
        train_dataset=Dataset.from_dict(columns),
        processing_class=tokenizer,
    )  # fmt: skip
    batch = trainer.data_collator([{name: values[n] for name, values in columns.items()} for n in range(len(twice))])
    loss = trainer.compute_loss(model, batch)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    wanted, found = _gradients(by_hand), _gradients(model)
    scale = max(gradient.abs().max().item() for gradient in wanted.values())
    assert math.isfinite(scale)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6 * scale, rtol=1e-5, msg=name)
