"""Every objective against the paper's equations, written out a second time: one pair, one program, one token at a time.

Nothing here is shared with the code under test but the model: no batches, no padding, no columns, no weights. In
float64, so that agreement means the same formula and not the same rounding.
"""

import math
from dataclasses import dataclass, replace
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM

from iterpref_core.records import OBJECTIVES, Objective
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.objectives.losses import PREFERENCE_LOSSES

from .conftest import arguments_in, trainer_of

BETA, ALPHA, GAMMA = 0.3, 2.0, 0.5


@dataclass
class Scored:
    """One pair, every token's log-probability under the policy (with gradient) and the reference."""

    pair: TokenizedPair
    chosen: list[torch.Tensor]
    rejected: list[torch.Tensor]
    ref_chosen: list[float]
    ref_rejected: list[float]


def _score(model, prompt, program):
    """log pi(token | all before it), token by token."""
    ids = prompt + program
    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    return [
        logits[place - 1, ids[place]] - torch.logsumexp(logits[place - 1], dim=0)
        for place in range(len(prompt), len(ids))
    ]


def _ratio(logps, ref, marks, mean):
    """Sum or mean of log(pi / pi_ref), over the marked tokens alone where there are marks."""
    total = torch.zeros((), dtype=torch.float64)
    count = 0
    for place, (own, other) in enumerate(zip(logps, ref, strict=True)):
        if marks is None or marks[place]:
            total = total + own - other
            count += 1
    return total / count if mean and count else total


def _preference(marks_of, mean=False):
    """The mean of -log sigmoid(beta (K+ - K-)), with the marks of y+ and y- that a pair has.

    Conservative: a share of the pairs counts as its opposite, -log sigmoid(beta (K- - K+)).
    """

    def loss(scored, mixed_up):
        total = torch.zeros((), dtype=torch.float64)
        for one in scored:
            marks_chosen, marks_rejected = marks_of(one.pair)
            k_plus = _ratio(one.chosen, one.ref_chosen, marks_chosen, mean)
            k_minus = _ratio(one.rejected, one.ref_rejected, marks_rejected, mean)
            total = total + (1 - mixed_up) * torch.log1p(torch.exp(-BETA * (k_plus - k_minus)))
            total = total + mixed_up * torch.log1p(torch.exp(-BETA * (k_minus - k_plus)))
        return total / len(scored)

    return loss


def _simpo(scored, mixed_up):
    """SimPO (arXiv 2405.14734, equation 6) over D-: means of log pi, without the reference; 0 for an empty D-."""
    total = torch.zeros((), dtype=torch.float64)
    for one in scored:
        chosen = sum(one.chosen) / len(one.chosen)
        marked = [token for token, mark in zip(one.rejected, one.pair.focal, strict=True) if mark]
        rejected = sum(marked) / len(marked) if marked else torch.zeros(())
        total = total + (1 - mixed_up) * torch.log1p(torch.exp(GAMMA - BETA * (chosen - rejected)))
        total = total + mixed_up * torch.log1p(torch.exp(GAMMA - BETA * (rejected - chosen)))
    return total / len(scored)


def _own_simpo(chosen, rejected, beta):
    """The same as a user adds it."""
    return -logsigmoid(beta * (chosen.logps / chosen.tokens - rejected.logps / rejected.tokens) - GAMMA)


def _nll(scored, side, reduction):
    programs = [getattr(one, side) for one in scored]
    total = -sum((token for program in programs for token in program), torch.zeros((), dtype=torch.float64))
    return ALPHA * total / (sum(map(len, programs)) if reduction == "mean" else len(programs))


_dpo = _preference(lambda pair: (None, None))
_target = _preference(lambda pair: (None, pair.focal))
_dpo_norm = _preference(lambda pair: (None, None), mean=True)
_target_norm = _preference(lambda pair: (None, pair.focal), mean=True)
_symmetric = _preference(lambda pair: (pair.focal_chosen, pair.focal))
# The name of a pair decides whether its whole rejected program or its error region counts.
_hybrid = _preference(lambda pair: (None, pair.focal if pair.half else None))

ORACLES = {
    "sft": (None, "chosen"),
    "sft-rejected": (None, "rejected"),
    "dpo": (_dpo, None),
    "rpo": (_dpo, "chosen"),
    "target-dpo": (_target, None),
    "target-rpo": (_target, "chosen"),
    "dpo-norm": (_dpo_norm, None),
    "target-dpo-norm": (_target_norm, None),
    "hybrid-dpo": (_hybrid, None),
    "hybrid-rpo": (_hybrid, "chosen"),
    "symmetric-dpo": (_symmetric, None),
    "symmetric-rpo": (_symmetric, "chosen"),
    "own-simpo": (_simpo, None),
}
"""Each objective's preference term and the program in its NLL, as the paper has them.

An objective that is not here by its own name is unproven.
"""


ROWS = OBJECTIVES | {"own-simpo": Objective("SimPO", "simpo", rejected="focal")}
"""The objectives, and one as a user adds it."""

_TOKENS = st.integers(4, 300)
"""Ids of plain tokens, which the tokenizer of these tests has."""


@st.composite
def _pairs(draw):
    """A pair that shares a prefix of any length, none and all included, with marks anywhere, none included."""

    def tokens(low, high):
        return draw(st.lists(_TOKENS, min_size=low, max_size=high))

    def marks(program):
        return draw(st.lists(st.integers(0, 1), min_size=len(program), max_size=len(program)))

    shared = tokens(0, 12)
    chosen, rejected = shared + tokens(1, 9), shared + tokens(1, 9)
    name = str(draw(st.integers(0, 9)))
    return TokenizedPair(tokens(1, 7), chosen, rejected, marks(rejected), marks(chosen), name)


def _random_reference(pair):
    """A log-probability for each token given all before it, so that a common prefix has the same in both programs."""
    return tuple(
        [-Random(str(pair.prompt_ids + program[: place + 1])).random() for place in range(len(program))]
        for program in (pair.chosen_ids, pair.rejected_ids)
    )


@pytest.fixture(scope="module")
def precise(model_folder):
    return AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float64)


class _PlainLogits:
    """TRL's kernel in float64, which the kernel itself never adds up in (test_label_head.py holds the two together)."""

    @staticmethod
    def apply(hidden, weight, bias, targets, *_):
        assert bias is None
        return ((hidden @ weight.T).log_softmax(dim=-1).gather(1, targets[:, None])[:, 0],)


@pytest.fixture(scope="module")
def in_float64():
    """Compute in float64, without the check of the model that precedes each training, which is always the same one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PREFERENCE_LOSSES, "simpo", _own_simpo)
        patch.setitem(OBJECTIVES, "own-simpo", ROWS["own-simpo"])
        patch.setattr("iterpref_core.training.model.label_head.ChunkedLogProbFunction", _PlainLogits)
        patch.setattr("iterpref_core.training.model.parity.check_parity", lambda *_, **__: None)
        yield


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("objective", list(ROWS))
@settings(max_examples=3)
@given(
    pairs=st.lists(_pairs(), min_size=1, max_size=6),
    reduction=st.sampled_from(("mean", "sum")),
    layout=st.sampled_from(("padded", "fork")),
    mixed_up=st.sampled_from((0.0, 0.3)),
)
def test_loss_and_gradient_are_the_paper_s_equations(
    objective, pairs, reduction, layout, mixed_up, precise, tokenizer, tmp_path
):
    assert objective in ORACLES, f"{objective} has no proof: write its loss out by hand, as a row of ORACLES"
    reference = {id(pair): _random_reference(pair) for pair in pairs}
    row = ROWS[objective]
    rows = [
        replace(pair, ref_chosen=reference[id(pair)][0], ref_rejected=reference[id(pair)][1])
        if row.preference
        else pair
        for pair in pairs
    ]
    scored = [
        Scored(
            pair,
            _score(precise, pair.prompt_ids, pair.chosen_ids),
            _score(precise, pair.prompt_ids, pair.rejected_ids),
            *reference[id(pair)],
        )
        for pair in pairs
    ]
    preference, side = ORACLES[objective]
    weights = list(precise.parameters())
    expected = 0 * weights[0].sum()  # which has a gradient where no token of any pair counts
    if preference is not None:
        expected = expected + preference(scored, mixed_up)
    if side is not None:
        expected = expected + _nll(scored, side, reduction)

    trainer = trainer_of(
        precise, rows, tokenizer, arguments_in(tmp_path), objective,
        alpha=ALPHA, beta=BETA, layout=layout, nll=reduction, label_smoothing=mixed_up,
    )  # fmt: skip
    loss = trainer.compute_loss(precise, trainer.data_collator(rows))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    found, wanted = (torch.autograd.grad(each, weights, materialize_grads=True) for each in (loss, expected))
    scale = max(gradient.abs().max().item() for gradient in wanted)
    assert math.isfinite(scale)
    # Two equal programs cancel out but for float64's rounding, which neither side has right.
    torch.testing.assert_close(found, wanted, atol=max(1e-6 * scale, 1e-12), rtol=1e-5)
