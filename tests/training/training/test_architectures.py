"""One causal architecture of each kind: trained exactly, or refused for a reason.

At learning rate 0 policy and reference are the same weights, so K+ = K- = 0 and the loss is log 2 + alpha NLL, with the
NLL of the model's own logits: in both layouts, with all weights in float32 and with adapters in bf16.
"""

import math
from copy import deepcopy

import pytest
import torch
from peft import get_peft_model

from iterpref_core.records import OBJECTIVES, ConfigError, ModelError
from iterpref_core.training.data.batches import Collator
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.label_head import add_label_head, batch_logps
from iterpref_core.training.model.parity import check_parity, silent
from iterpref_core.training.model.policy import lora_config
from iterpref_core.training.objectives.losses import nll_loss, preference_losses
from tests.architectures import FAMILIES, build_small

from .conftest import logps_by_hand, scored

_REFUSED = {"bert": "later"}
"""Why the layout `padded` refuses an architecture, by words of the message."""
_NO_ADAPTERS = ("mamba", "phimoe")
"""What PEFT has no adapters for: Mamba's projections, and Phi-MoE's router, which is a linear layer."""

pytestmark = pytest.mark.filterwarnings("ignore:::peft")
"""It warns of experts that are not layers and get no adapters."""


@pytest.fixture(scope="module")
def pairs():
    random = torch.Generator().manual_seed(1)

    def tokens(count):
        return torch.randint(3, 120, (count,), generator=random).tolist()

    found = []
    for number in range(3):
        prompt, start, rest = tokens(3 + number), tokens(4), tokens(3)
        chosen, rejected = start + tokens(2) + rest, start + tokens(3) + rest
        focal = [0] * 4 + [1] * 3 + [0] * 4
        found.append(TokenizedPair(prompt, [*chosen, 2], [*rejected, 2], focal, [0] * 10, task_id=str(number)))
    return found


def _nll_of_logits(model, pairs):
    """The mean over all tokens of the chosen programs, a pair a row, from the model's logits as it is evaluated."""
    model.eval()
    return -float(torch.cat([logps_by_hand(model, pair.prompt_ids, pair.chosen_ids) for pair in pairs]).mean())


def _loss(model, base, pairs, layout, bf16):
    """K+, K- and loss of a batch as training computes them, with the reference as it is computed before."""
    add_label_head(base)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        rows = scored(base, pairs, 4)
    batch = Collator(OBJECTIVES["target-rpo"], layout, 0, 16)(rows)
    model.train()
    with silent(model), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        logps = batch_logps(model, batch, base.config)
    chosen, rejected, losses = preference_losses(logps, batch, OBJECTIVES["dpo"], 0.1, len(pairs))
    return chosen, rejected, losses.mean() + 20 * nll_loss(logps, batch["w_nll"], "mean", len(pairs))


def _refusal(model, layout):
    """The message with which training refuses a model; empty where it takes it."""
    try:
        check_parity(model, layout, 18)
    except (ConfigError, ModelError) as error:
        return str(error)
    return ""


def _adapted(model, layout, params):
    """The model with fresh adapters; None where training refuses them."""
    try:
        adapted = get_peft_model(model, lora_config(params.model_copy(update={"lora": {"r": 4}})))
        check_parity(adapted, layout, 18)
    except (ConfigError, ModelError, ValueError):
        return None
    return adapted


def _assert_exact(model, base, pairs, layout, bf16, expected):
    chosen, rejected, loss = _loss(model, base, pairs, layout, bf16)
    assert max(chosen.abs().max(), rejected.abs().max()) < (5 if bf16 else 1e-3), (layout, bf16)
    assert float(loss) == pytest.approx(expected, rel=0.05 if bf16 else 1e-5), (layout, bf16)


def _assert_trained_exactly(name, model, pairs, layout, params):
    """Check the loss of a fresh model in float32, and in bfloat16 with adapters where there are some for it."""
    expected = math.log(2) + 20 * _nll_of_logits(model, pairs)
    _assert_exact(model, model, pairs, layout, False, expected)
    adapted = _adapted(model, layout, params)
    assert (adapted is None) == (name in _NO_ADAPTERS)
    if adapted is not None:
        _assert_exact(adapted, model, pairs, layout, True, expected)


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_an_architecture_is_trained_exactly_or_refused(name, pairs, params):
    reason = _REFUSED.get(name, "")
    model = build_small(name)
    untouched = deepcopy(model)
    refusal = _refusal(model, "padded")
    assert bool(reason) == bool(refusal), refusal
    assert reason in refusal
    if reason:
        return
    _assert_trained_exactly(name, model, pairs, "padded", params)
    model = untouched  # without the head and the adapters that the other layout has left on it
    if refusal := _refusal(model, "fork"):
        assert refusal.endswith("set training.layout: padded"), refusal
        return
    _assert_trained_exactly(name, model, pairs, "fork", params)
