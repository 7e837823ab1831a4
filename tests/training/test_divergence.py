"""What changed inside a model: against the two models asked token by token, in float64."""

from pathlib import Path
from statistics import fmean

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.divergence import measure_divergence


@pytest.fixture(scope="module")
def models(model_folder: Path) -> tuple[PreTrainedModel, PreTrainedModel]:
    start, trained = (AutoModelForCausalLM.from_pretrained(model_folder).eval() for _ in range(2))
    torch.manual_seed(1)
    with torch.no_grad():
        for weights in trained.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    return start, trained


def _next_token(model: PreTrainedModel, before: list[int]) -> torch.Tensor:
    with torch.no_grad():
        logits = model.double()(torch.tensor([before])).logits[0, -1]
    return logits - torch.logsumexp(logits, 0)


def test_it_is_what_the_two_models_say_of_each_token(
    models: tuple[PreTrainedModel, PreTrainedModel], rows: list[TokenizedPair]
) -> None:
    pairs, unrelated = rows[:3], [(row.prompt_ids, row.chosen_ids) for row in rows[3:5]]
    found = measure_divergence(*models, pairs, unrelated, batch_size=2)
    kl: dict[str, list[float]] = {"error": [], "rejected": [], "chosen": [], "unrelated": []}
    totals, first = ([], []), ([], [])
    listed = [(row.prompt_ids, row.chosen_ids, ["chosen"] * len(row.chosen_ids)) for row in pairs]
    listed += [
        (row.prompt_ids, row.rejected_ids, ["error" if mark else "rejected" for mark in row.focal]) for row in pairs
    ]
    listed += [(prompt, program, ["unrelated"] * len(program)) for prompt, program in unrelated]
    for prompt, program, kinds in listed:
        labels = ([], [])
        for place, (token, kind) in enumerate(zip(program, kinds, strict=True)):
            both = [_next_token(model, prompt + program[:place]) for model in models]
            kl[kind].append(float((both[1].exp() * (both[1] - both[0])).sum()))
            for own, logps in zip(labels, both, strict=True):
                own.append(float(logps[token]))
        if "chosen" in kinds:
            for total, own in zip(totals, labels, strict=True):
                total.append(sum(own))
        if "error" in kinds:
            right = next(row.chosen_ids for row in pairs if row.rejected_ids == program)
            place = next(place for place, (one, other) in enumerate(zip(right, program, strict=False)) if one != other)
            for one, own in zip(first, labels, strict=True):
                one.append(torch.tensor(own[place]).exp().item())
    assert found.kl_error > 0
    for name, values in kl.items():
        assert getattr(found, f"kl_{name}") == pytest.approx(fmean(values), rel=1e-4), name
    assert found.chosen_logp == pytest.approx([fmean(total) for total in totals], rel=1e-4)
    assert found.first_wrong == pytest.approx([fmean(one) for one in first], rel=1e-4)


def test_a_model_does_not_differ_from_itself(
    models: tuple[PreTrainedModel, PreTrainedModel], rows: list[TokenizedPair]
) -> None:
    start = models[0].float()
    found = measure_divergence(start, start, rows[:2], [(rows[2].prompt_ids, rows[2].chosen_ids)], batch_size=8)
    assert (found.kl_error, found.kl_rejected, found.kl_chosen, found.kl_unrelated) == (0, 0, 0, 0)
    assert found.chosen_logp[0] == found.chosen_logp[1]
    assert found.first_wrong[0] == found.first_wrong[1]
