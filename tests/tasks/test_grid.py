"""Grids of values: what a sweep trains."""

from iterpref_core.config import load_params
from tasks.grid import plan_rows
from tests.settings import ROOT


def test_a_grid_of_two_parameters_has_every_combination_for_every_objective() -> None:
    params = load_params(ROOT / "params.yaml")
    values = {"training.seed": [1, 2, 3], "training.beta": [0.1, 0.2]}
    rows = plan_rows(params, None, ["dpo", "sft"], values)
    found = [(row.objective, row.values["training.seed"], row.values["training.beta"]) for row in rows]
    assert len(found) == len(set(found)) == 12
