"""`check` with a model: the NLL of the repairs beside the model's own words."""

import shutil

import pytest
import torch

from iterpref_core.records import load_params, with_values
from iterpref_core.training.pair_checks import check_pair_file

from .conftest import logps_by_hand


@pytest.fixture
def check(pairs_file, tmp_path):
    params = with_values(load_params(), {"training.answer": "bare"})

    def run(model):
        nothing = {"against": [], "problems": tmp_path, "out": None, "dropped": None}
        return check_pair_file(pairs_file, params, model=str(model), **nothing)

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
