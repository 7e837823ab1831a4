"""Programs alone, which a file of pairs may hold, take part in the NLL and in no preference term."""

import logging
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import logsigmoid

from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.records import OBJECTIVES, InputError, LocalizationParams, PreferencePair
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.estimate import estimate_training
from tests.architectures import build_small
from tests.settings import section

from .conftest import arguments_in, assert_equal_weights, checks_of, logps_by_hand, trainer_of

PAIRS = [
    TokenizedPair([5, 6], [7, 8, 9], [7, 10, 9, 3], [0, 1, 0, 0], [0, 1, 0], "a", ref_chosen=[-1.0, -2.0, -0.5],
                  ref_rejected=[-1.0, -0.5, -3.0, -0.25]),
    TokenizedPair([5], [11, 9], [12, 9], [1, 0], [1, 0], "b", ref_chosen=[-2.0, -1.5], ref_rejected=[-1.0, -1.0]),
]  # fmt: skip
ALONE = [
    TokenizedPair([5, 13], [14, 15, 16, 9], [], [], [0] * 4, "c"),
    TokenizedPair([6], [17, 9], [], [], [0] * 2, "d"),
]


@pytest.fixture(scope="module")
def precise():
    return build_small("gpt2").double()


def _loss_by_hand(model, rows, objective, nll, alpha=2.0, beta=0.5):
    """The mean preference term over pairs, and alpha times the NLL of every row."""
    preferences, nlls = [], []
    for row in rows:
        chosen = logps_by_hand(model, row.prompt_ids, row.chosen_ids)
        nlls.append(-chosen)
        if row.is_pair:
            counts = torch.tensor(row.focal if objective == "target-rpo" else [1] * len(row.focal))
            ratios = logps_by_hand(model, row.prompt_ids, row.rejected_ids) - torch.tensor(row.ref_rejected)
            margin = (chosen - torch.tensor(row.ref_chosen)).sum() - (ratios * counts).sum()
            preferences.append(-logsigmoid(beta * margin))
    mean = torch.cat(nlls).mean() if nll == "mean" else torch.cat(nlls).sum() / len(rows)
    preferred = torch.stack(preferences).mean() if preferences and objective != "sft" else 0.0
    return preferred + alpha * mean


@pytest.mark.parametrize("layout", ["fork", "padded"])
@pytest.mark.parametrize(
    ("objective", "nll"), [("sft", "mean"), ("rpo", "mean"), ("target-rpo", "mean"), ("target-rpo", "sum")]
)
def test_loss_and_gradient_of_pairs_with_programs_alone(precise, tokenizer, tmp_path, objective, nll, layout):
    arguments = arguments_in(tmp_path)
    settings = {"alpha": 2.0, "beta": 0.5, "nll": nll, "layout": layout}
    rows = [PAIRS[0], ALONE[0], PAIRS[1], ALONE[1]]
    trainer = trainer_of(precise, rows, tokenizer, arguments, objective, **settings)
    weights = list(precise.eval().parameters())
    # The whole batch at once; in two parts, of which the second has no pair; and one without any pair.
    for parts in ([rows], [[PAIRS[0], ALONE[0], PAIRS[1]], [ALONE[1]]], [PAIRS, ALONE], [ALONE]):
        batches = [trainer.data_collator(part) for part in parts]
        total = trainer._get_num_items_in_batch(batches, torch.device("cpu"))
        loss = sum(trainer.compute_loss(precise, batch, num_items_in_batch=total) for batch in batches)
        by_hand = _loss_by_hand(precise, [row for part in parts for row in part], objective, nll)
        # Log-probabilities and shares are in single precision.
        tolerance = {"rtol": 1e-5, "atol": 1e-6, "check_dtype": False}
        torch.testing.assert_close(loss, by_hand, **tolerance)
        numbers = trainer._take_means()
        assert numbers["loss"] == pytest.approx(by_hand.item(), rel=1e-5)
        gradients = (torch.autograd.grad(each, weights, materialize_grads=True) for each in (loss, by_hand))
        torch.testing.assert_close(*gradients, **tolerance)
        assert ("rewards/margins" in numbers) is (objective != "sft" and parts != [ALONE])


def _alone(pair):
    return PreferencePair(task_id=f"alone-{pair.task_id}", prompt=pair.prompt, chosen=pair.chosen)


@pytest.fixture(scope="module")
def replayed(pair_records, model_folder, tmp_path_factory):
    """The file of pairs, with two rows without a rejected program."""
    path = tmp_path_factory.mktemp("replayed") / "pairs.jsonl"
    write_jsonl(path, [*pair_records[:5], *map(_alone, pair_records[:2]), *pair_records[5:]])
    return path, model_folder


@pytest.mark.parametrize("objective", ["dpo", "sft-rejected"])
def test_an_objective_without_their_nll_leaves_them_out_by_name_and_count(
    train, trained, replayed, tmp_path, objective, caplog
):
    with caplog.at_level(logging.WARNING):
        found = train("with", objective, replayed, epochs=1)
    assert f"2 programs to replay have no part in {OBJECTIVES[objective].title}" in caplog.text
    without, folder = trained(objective, epochs=1)
    assert without["pairs"] == found["pairs"] == 12
    assert "replay" not in found
    assert_equal_weights(tmp_path / "with", folder)


def test_an_objective_with_their_nll_learns_from_them(train, trained, replayed):
    found = train("fork", "target-rpo", replayed, epochs=1, micro_batch_size=1)
    assert (found["pairs"], found["replay"], found["steps"]) == (12, 2, 4)
    again = train("padded", "target-rpo", replayed, epochs=1, layout="padded")
    assert again["loss"] == pytest.approx(found["loss"], rel=1e-4)
    assert trained("target-rpo", epochs=1)[0]["loss"] != pytest.approx(found["loss"], rel=1e-4)


def test_a_preference_needs_pairs(train, pair_records, model_folder, tmp_path):
    alone = tmp_path / "alone.jsonl", model_folder
    write_jsonl(alone[0], map(_alone, pair_records))
    assert train("sft", "sft", alone, epochs=1)["replay"] == 12
    for objective in ("rpo", "dpo"):
        with pytest.raises(InputError, match=r"no row has a rejected program, which .* needs; add pairs, or train sft"):
            train("x", objective, alone)


def test_localization_passes_them_through(replayed, pairs_file, tmp_path):
    params = section(LocalizationParams, method="line_lcs", empty="drop")
    found = localize_pairs(replayed[0], params, tmp_path / "focal.jsonl")
    assert (found.pairs, found.replay, found.given) == (12, 2, 12)
    assert (tmp_path / "focal.jsonl").read_bytes() == replayed[0].read_bytes()
    without = localize_pairs(pairs_file, params, tmp_path / "without.jsonl")
    assert (without.replay, without.focal_line_share) == (None, found.focal_line_share)


def test_checks_and_estimates_pass_over_what_they_do_not_have(rows, params, precise):
    alone = replace(rows[0], rejected_ids=[], focal=[])
    checks, without = checks_of([*rows, alone]), checks_of(rows)
    assert checks.counts()["focal_empty"] == 0
    names = ("shared_prefix_token_share", "rejected_tokens_p50", "after_focal_token_share")
    assert [checks.numbers()[name] for name in names] == [without.numbers()[name] for name in names]
    texts = [finding.text for finding in checks.findings(params)]
    assert texts == [*(finding.text for finding in without.findings(params)), texts[-1]]
    dpo, rpo = (OBJECTIVES[name] for name in ("dpo", "rpo"))
    estimated = partial(estimate_training, precise.config, params=params)
    assert estimated([*rows, alone], objective=dpo) == estimated(rows, objective=dpo)
    assert estimated([*rows, alone] * 4, objective=rpo).flops > estimated(rows * 4, objective=rpo).flops
    assert checks_of([alone]).numbers()["fork_token_share"] == 1
