"""Grids of values: what a sweep trains."""

import pytest

from iterpref_core.records import ConfigError, with_values
from tasks.grid import choose_benchmark, plan_rows
from tests.settings import PARAMS, ROOT


@pytest.fixture(autouse=True)
def _checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_a_parameter_without_values_is_refused():
    with pytest.raises(ConfigError, match=r"training.beta: has no values"):
        plan_rows(PARAMS, None, ["dpo"], {"training.beta": []})


def test_an_objective_has_no_row_for_a_value_that_it_does_not_read():
    rows = plan_rows(PARAMS, None, ["sft", "target-rpo"], {"training.beta": [0.1, 0.3], "training.seed": [1]})
    assert [row.label for row in rows] == ["sft seed=1", "target-rpo beta=0.1 seed=1", "target-rpo beta=0.3 seed=1"]
    assert [row.values for row in rows[:2]] == [
        {"training.seed": 1},
        {"training.objectives.target-rpo.beta": 0.1, "training.seed": 1},
    ]


@pytest.mark.parametrize(
    ("objective", "key", "value"),
    [
        ("sft", "training.beta", 0.1),
        ("sft", "training.max_margin", 1.0),
        ("dpo", "training.nll", "sum"),
        ("dpo", "training.objectives.rpo.beta", 0.1),
    ],
)
def test_a_value_that_no_row_reads_is_refused(objective, key, value):
    with pytest.raises(ConfigError, match=f"^{key}: has no effect on {objective}; leave it out$"):
        plan_rows(PARAMS, None, [objective], {key: [value]})


def test_rates_are_multiples_of_the_rate_that_the_model_s_profile_has():
    key = "training.objectives.target-rpo.learning_rate"
    adapters = with_values(PARAMS, {key: 1e-4})
    rates = [row.values[key] for row in plan_rows(adapters, "rates", (), {})]
    assert rates == [1e-4, 1e-5, 3e-5, 3e-4, 1e-3]
    both = plan_rows(PARAMS, "rates", ("dpo", "sft"), {"training.epochs": [1, 2]})
    assert len(both) == 20
    assert both[0].label == "dpo lr=5e-06 epochs=1"


@pytest.mark.parametrize("preset", ["rates", "tune"])
def test_settings_are_never_chosen_on_the_problems_that_measure_the_result(preset):
    choose_benchmark(preset, "validation", PARAMS)
    for benchmark in ("heldout", "humaneval"):
        with pytest.raises(ConfigError, match=f"--benchmark {benchmark}: {preset} chooses settings"):
            choose_benchmark(preset, benchmark, PARAMS)
    choose_benchmark("masking", "heldout", PARAMS)


def test_a_sweep_without_objectives_trains_those_of_the_experiment():
    rows = plan_rows(PARAMS, None, (), {"training.beta": [0.1]})
    assert [row.objective for row in rows] == ["sft", "dpo", "rpo", "target-dpo", "target-rpo"]


def test_alphas_are_chosen_of_objectives_with_an_nll_alone():
    rows = plan_rows(PARAMS, "tune", ("dpo", "sft"), {})
    assert [sum(row.objective == name for row in rows) for name in ("dpo", "sft")] == [6, 18]
    assert {row.label for row in rows} >= {"dpo lr=1e-06", "sft lr=0.001 alpha=60"}
