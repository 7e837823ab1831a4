"""`check` with a model: the NLL of the repairs beside the model's own words."""

import shutil

import pytest
import torch

from iterpref_core.records import load_params, with_values
from iterpref_core.storage.jsonl import read_pairs, write_jsonl
from iterpref_core.training.pair_checks import check_pair_file
from tests.settings import changed

from .conftest import logps_by_hand


@pytest.fixture
def check(pairs_file, tmp_path):
    params = with_values(load_params(), {"training.answer": "bare"})

    def run(model, pairs=pairs_file, out=None):
        nothing = {"against": [], "problems": tmp_path, "dropped": None}
        return check_pair_file(pairs, params, model=str(model), out=out, **nothing)

    return run


def test_the_nll_of_both_regions_is_that_of_the_models_logits(check, model, model_folder, rows):
    numbers, _ = check(model_folder)
    nlls = {"repair": [], "own_words": []}
    for row in rows:
        sides = (("repair", row.chosen_ids, row.focal_chosen), ("own_words", row.rejected_ids, row.focal))
        for name, program, marks in sides:
            logps = logps_by_hand(model, row.prompt_ids, program)
            nlls[name] += (-logps[torch.tensor(marks, dtype=bool)]).tolist()
    repair, own = (sum(nlls[name]) / len(nlls[name]) for name in nlls)
    found = [numbers[name] for name in ("nll_repair", "nll_error_region", "nll_ratio")]
    assert found == pytest.approx([repair, own, repair / own], rel=1e-5)
    assert numbers["repairs"].startswith(f"{repair:.2f} nats a token on D+, {own:.2f} on D-, a ratio of ")


def test_without_weights_the_rest_is_checked(check, model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    numbers, findings = check(tmp_path / "model")
    assert "nll_repair" not in numbers
    assert numbers["pairs"] == 12
    assert any(finding.text.startswith("the NLL of D+ and D- is unknown: ") for finding in findings)
    assert not any(finding.stops for finding in findings)


def test_what_is_written_has_the_model_s_view_of_each_pair(
    check, model, model_folder, rows, pair_records, tmp_path, monkeypatch
):
    """The pairs are more than the sample, and one is a program alone."""
    monkeypatch.setattr("iterpref_core.training.repair_nll._SAMPLE", 2)
    given, out = tmp_path / "given.jsonl", tmp_path / "scored.jsonl"
    write_jsonl(given, [changed(pair_records[0], task_id="alone", rejected=None, rejected_spans=None), *pair_records])
    numbers = check(model_folder, given, out)[0]
    assert numbers["nll_repair"] == check(model_folder, given)[0]["nll_repair"], "of the same sample"
    alone, *scored = read_pairs(out)
    assert (alone.nll, alone.logp_margin) == (None, None)
    model.double()
    for pair, record, row in zip(scored, pair_records, rows, strict=True):
        chosen, rejected = (logps_by_hand(model, row.prompt_ids, ids) for ids in (row.chosen_ids, row.rejected_ids))
        expected = -chosen.mean().item(), (chosen.sum() - rejected.sum()).item()
        assert (pair.nll, pair.logp_margin) == pytest.approx(expected, abs=2e-4)
        assert changed(pair, nll=None, logp_margin=None) == record
