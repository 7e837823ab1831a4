"""The table of objectives and the settings of each; `test_proof.py` has the losses."""

import math
from dataclasses import replace

import pytest

from iterpref_core.records import OBJECTIVES, ConfigError, ObjectiveParams, TrainingParams
from iterpref_core.training.objectives.objective_settings import check_given, settings_of
from tests.settings import section


def test_a_counterpart_differs_in_what_is_rejected_alone():
    """A difference in the report is then due to the mask."""
    for row in OBJECTIVES.values():
        if row.counterpart:
            other = OBJECTIVES[row.counterpart]
            assert replace(row, title=other.title, rejected="all", counterpart=None) == other
            assert row.rejected == "focal"


def test_titles_tell_rows_apart():
    assert len({row.title for row in OBJECTIVES.values()}) == len(OBJECTIVES)


def test_a_rate_of_its_own_comes_before_the_one_of_all():
    stated = {
        "rpo": ObjectiveParams(alpha=0.0), "dpo": ObjectiveParams(learning_rate=0.5, beta=0.9),
    }  # fmt: skip
    params = section(TrainingParams, learning_rate=0.1, nll_learning_rate=0.2, alpha=7.0, beta=0.3, objectives=stated)
    assert stated["rpo"].model_dump() == {"alpha": 0.0}
    found = {name: settings_of(name, params) for name in ("sft", "dpo", "rpo", "target-dpo")}
    assert {name: (each.learning_rate, each.alpha, each.beta) for name, each in found.items()} == {
        "sft": (0.2, 7.0, 0.3), "dpo": (0.5, 0.0, 0.9), "rpo": (0.2, 0.0, 0.3), "target-dpo": (0.1, 0.0, 0.3),
    }  # fmt: skip


def test_every_row_of_params_yaml_is_of_an_objective_that_there_is():
    params = section(TrainingParams)
    assert params.objectives.keys() <= OBJECTIVES.keys()
    for name, row in OBJECTIVES.items():
        assert (settings_of(name, params).alpha > 0) == (row.nll_of is not None)


@pytest.mark.parametrize(
    ("name", "stated", "message"),
    [
        ("dop", {}, "^no objective 'dop'; did you mean 'dpo'?"),
        ("xyz", {}, "^no objective 'xyz'; there are sft, dpo, "),
        ("dpo", {"dpo": {"alpha": 2}}, "^training.objectives.dpo.alpha: has no effect on dpo; remove it"),
        ("sft", {"sft": {"beta": 2}}, "^training.objectives.sft.beta: has no effect on sft"),
    ],
)
def test_what_cannot_be_trained_is_named(name, stated, message):
    with pytest.raises(ConfigError, match=message):
        settings_of(name, section(TrainingParams, objectives=stated))


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("sft", "training.learning_rate", "training.nll_learning_rate"),
        ("dpo", "training.nll_learning_rate", "training.learning_rate"),
        ("rpo", "training.nll_learning_rate", "training.objectives.rpo.learning_rate"),
        ("rpo", "training.alpha", "training.objectives.rpo.alpha"),
    ],
)
def test_a_value_in_whose_place_another_is_read_is_refused(name, given, read):
    own = section(TrainingParams, objectives={"rpo": ObjectiveParams(learning_rate=0.5, alpha=2.0)})
    with pytest.raises(ConfigError, match=f"^{given}: has no effect on {name}, which reads {read}; set that$"):
        check_given(name, own, [given, "training.beta"])
    check_given(name, own, [given, read])
    check_given("sft", own, ["training.beta"])


@pytest.mark.parametrize("name", ["learning_rate", "alpha", "beta"])
@pytest.mark.parametrize("value", [math.inf, math.nan, -1.0])
def test_a_number_of_an_objective_is_finite_and_not_negative(name, value):
    with pytest.raises(ValueError, match=name):
        ObjectiveParams.model_validate({name: value})
