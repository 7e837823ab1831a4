"""What methods took: tokens that models read and wrote, and the seconds that artifacts and trainings took."""

import pytest

from iterpref_core.config import Params, with_values
from iterpref_core.inference.local.checkpoints import read_config
from iterpref_core.training.model_shape import read_shape
from tasks.common.paths import STUDENT
from tasks.grids.compute_cost import GENERATED, TRAINED, cost_of_own_answers, cost_on_pairs
from tasks.grids.lineage import EXPERIMENT, cpu_s_of, find_inputs
from tasks.grids.trial import TrialScore

SCORES = [TrialScore(pass_at_1=0, n=1, passed=(), cpu_s=seconds, own_tokens=1000) for seconds in (2.0, 4.0)]


@pytest.mark.usefixtures("experiment")
def test_pairs_cost_what_was_generated_and_training_what_its_estimate_says(params: Params) -> None:
    found = cost_on_pairs("target-rpo", EXPERIMENT, params, SCORES)
    parameters = read_shape(read_config(str(STUDENT))).parameters
    assert found.pairs_flops == 8 * 3 * 2 * GENERATED * parameters, "eight problems, three attempts, a token each way"
    assert found.training_cpu_s == 3
    twice = cost_on_pairs("target-rpo", EXPERIMENT, with_values(params, {"training.epochs": 2}), SCORES)
    assert found.training_flops < twice.training_flops < 2 * found.training_flops, "the reference is scored once"
    assert cost_on_pairs("sft", EXPERIMENT, params, SCORES).training_flops < found.training_flops


@pytest.mark.usefixtures("experiment")
def test_seconds_are_known_of_what_was_made_for_a_trial(params: Params) -> None:
    assert cost_on_pairs("sft", EXPERIMENT, params, SCORES).pairs_cpu_s is None
    values = {"localization.widen_lines": 2}
    made = find_inputs(with_values(params, values), values).spans
    assert cpu_s_of(made) is not None


@pytest.mark.usefixtures("experiment")
def test_own_answers_are_generated_and_learned_from() -> None:
    found = cost_of_own_answers(EXPERIMENT, SCORES)
    parameters = read_shape(read_config(str(STUDENT))).parameters
    assert (found.pairs_cpu_s, found.pairs_flops, found.training_cpu_s) == (0, 0, 3)
    assert found.training_flops == 1000 * parameters * (GENERATED + TRAINED)
