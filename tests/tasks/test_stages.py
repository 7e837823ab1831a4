"""The pages of the stages."""

import shutil

from iterpref_core.records import parse_yaml
from tasks.stages import add_objective
from tests.settings import ROOT


def test_an_objective_is_added_to_the_graph_and_nothing_else_changes(tmp_path):
    shutil.copy2(ROOT / "dvc.yaml", tmp_path)
    before = (ROOT / "dvc.yaml").read_text().splitlines()
    add_objective(tmp_path, "hybrid-rpo")
    after = (tmp_path / "dvc.yaml").read_text().splitlines()
    stages = parse_yaml("\n".join(after))["stages"]
    assert stages["training"]["foreach"][-1] == "hybrid-rpo"
    assert stages["evaluation"]["foreach"]["hybrid-rpo"] == "models/trained/hybrid-rpo"
    assert stages["report"]["deps"][-1] == "results/hybrid-rpo"
    assert [line for line in after if line in before] == before
    add_objective(tmp_path, "sft")
    assert after == (tmp_path / "dvc.yaml").read_text().splitlines()
