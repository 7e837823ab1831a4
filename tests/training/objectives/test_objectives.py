"""The table of objectives and the settings of each; `test_proof.py` has the losses."""

import math
from dataclasses import replace

import pytest

from iterpref_core.records import OBJECTIVES, ConfigError, ObjectiveParams, load_params, with_lines, with_values
from iterpref_core.training.objectives.objective_settings import settings_of
from tests.settings import PARAMS, ROOT


def test_a_counterpart_differs_in_what_is_rejected_alone():
    """A difference in the report is then due to the mask."""
    for row in OBJECTIVES.values():
        if row.counterpart:
            other = OBJECTIVES[row.counterpart]
            assert replace(row, title=other.title, rejected="all", counterpart=None) == other
            assert row.rejected == "focal"


def test_titles_tell_rows_apart():
    assert len({row.title for row in OBJECTIVES.values()}) == len(OBJECTIVES)


def test_an_objective_has_the_values_of_its_line_and_0_for_what_it_does_not_read():
    values = {"training.beta": 0.3, "training.objectives.dpo.learning_rate": 0.5, "training.alpha": 7.0}
    params = with_values(PARAMS, values).training
    found = {name: settings_of(name, params) for name in ("sft", "dpo", "rpo", "hybrid-dpo")}
    assert {name: (each.learning_rate, each.alpha, each.beta) for name, each in found.items()} == {
        "sft": (3e-4, 7.0, 0.0), "dpo": (0.5, 0.0, 0.3), "rpo": (3e-4, 7.0, 0.3), "hybrid-dpo": (5e-6, 0.0, 0.3),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["dop", "xyz"])
def test_an_objective_that_is_not_there_is_named(name):
    with pytest.raises(ConfigError, match=f"^no objective '{name}'; (did you mean 'dpo'|there are sft, dpo, )"):
        settings_of(name, PARAMS.training)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"alpha": 2.0}, "alpha: has no effect on dpo; remove it; there are learning_rate, beta$"),
        ({"beta": None}, "beta: missing; add it"),
        ({"learning_rate": None}, "learning_rate: missing; add it"),
    ],
)
def test_a_line_states_what_the_objective_reads_and_nothing_else(line, message):
    with pytest.raises(ConfigError, match=rf"^training\.objectives\.dpo\.{message}"):
        with_values(PARAMS, {f"training.objectives.dpo.{key}": value for key, value in line.items()})


def test_a_file_without_the_line_of_an_objective_is_refused(tmp_path):
    text = (ROOT / "params.yaml").read_text()
    file = tmp_path / "params.yaml"
    for line in ("# {", "hybrid-rpo: {alpha: 1.0} # {"):
        file.write_text(text.replace("hybrid-rpo: {", line))
        with pytest.raises(ConfigError, match=r"training\.objectives\.hybrid-rpo\.\w+: missing; add it"):
            load_params(file)
    file.write_text(text.replace("  epochs: 5", "  learning_rate: 0.1\n  epochs: 5"))
    with pytest.raises(ConfigError, match=r"training\.learning_rate: stands in each line of training\.objectives"):
        load_params(file)


def test_of_two_values_for_a_line_the_later_counts_and_one_that_no_objective_reads_is_refused():
    key, own = "training.beta", "training.objectives.dpo.beta"
    assert with_lines({key: 1.0, own: 2.0}, ["sft", "dpo"]) == {own: 2.0}
    assert with_lines({own: 2.0, key: 1.0}, ["sft", "dpo"]) == {own: 1.0}
    with pytest.raises(ConfigError, match=r"^training\.beta: has no effect on sft, base; leave it out, or set "):
        with_lines({key: 1.0}, ["sft", "base"])


@pytest.mark.parametrize("name", ["learning_rate", "alpha", "beta"])
@pytest.mark.parametrize("value", [math.inf, math.nan, -1.0])
def test_a_number_of_an_objective_is_finite_and_not_negative(name, value):
    with pytest.raises(ValueError, match=name):
        ObjectiveParams.model_validate({name: value})
