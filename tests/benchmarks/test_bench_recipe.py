"""The benchmark of the recipe in small form on a CPU, which differs from a GPU in the device meter alone."""

import pytest

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError
from iterpref_core.training.training_estimate import ACCELERATORS
from iterpref_core.training.workload import lengths_of_tokens
from tasks.benchmarks import bench_recipe as recipe
from tasks.benchmarks.device_meters import Device
from tasks.benchmarks.made_up_pairs import made_up_pairs
from tests.settings import section

SMALL = section(
    TrainingParams,
    batch_size=4,
    micro_batch_size=2,
    epochs=3,
    max_prompt_length=24,
    max_length=96,
    gradient_checkpointing=True,
    bf16=False,
)


@pytest.mark.parametrize("changed", [{}, {"layout": "padded"}, {"lora_rank": 2}], ids=["fork", "padded", "lora"])
def test_a_small_run_says_what_a_large_one_would(changed: dict[str, object]) -> None:
    params = SMALL.model_copy(update=changed)
    found = recipe.bench_recipe("tiny", "target-rpo", params, pairs=4, steps=3)
    assert (found["steps"], found["precision"], found["layout"]) == (2, "bf16", params.layout)
    assert (found["trained_parameters"] < found["parameters"]) == bool(params.lora_rank)
    assert found["mfu"] == found["data_sheet_tflops"] == "unknown", "no CPU has a data sheet here"
    assert found["share_of_matmul"] > 0, "more than 1 where bfloat16 is emulated: some of a step is in float32"
    assert 0 < found["counted_slots_per_s"] < found["slots_per_s"]
    assert 0.5 < found["peak_over_estimate"] < 1.5
    hours = found["hours_for_59000_pairs"]
    assert hours["together"] == pytest.approx(hours["training"] + hours["reference"], abs=0.02)
    steps = recipe.PAPER_PAIRS * params.epochs / params.batch_size
    assert hours["training"] == pytest.approx(steps * found["step_s"]["median"] / 3600, rel=0.1, abs=0.01)


def test_an_objective_without_a_reference_scores_none() -> None:
    found = recipe.bench_recipe("tiny", "sft", SMALL, pairs=4, steps=2)
    assert found["reference_s_per_pair"] == found["hours_for_59000_pairs"]["reference"] == 0


def test_the_share_of_a_known_card_s_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "name", "NVIDIA H200")
    found = recipe.bench_recipe("tiny", "target-rpo", SMALL, pairs=4, steps=2)
    assert found["data_sheet_tflops"] == 989
    assert found["mfu"] == pytest.approx(found["model_tflops"] / 989, abs=1e-4)
    assert len({card.reported for card in ACCELERATORS}) == len(ACCELERATORS)


def test_what_cannot_be_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"--pairs 3: a batch has 4"):
        recipe.bench_recipe("tiny", "target-rpo", SMALL, pairs=3, steps=2)
    monkeypatch.setattr(Device, "memory", 1e6)
    with pytest.raises(ConfigError, match=r"--shape tiny: takes 0 GB by the estimate, and CPU.* has 0; name a smaller"):
        recipe.bench_recipe("tiny", "target-rpo", SMALL, pairs=4, steps=2)


def test_made_up_pairs_have_the_lengths_that_costs_assume() -> None:
    params = section(TrainingParams, max_prompt_length=1024, max_length=2048)
    pairs = made_up_pairs(400, 1000, params)
    assert pairs == made_up_pairs(400, 1000, params)
    lengths = [lengths_of_tokens(pair) for pair in pairs]
    assert sum(one.prompt + one.chosen + one.branch - one.shared for one in lengths) / 400 == pytest.approx(
        1260, rel=0.05
    )
    assert max(pair.length for pair in pairs) <= 2048
    assert all(0.3 < one.shared / one.rejected < 0.7 for one in lengths)
    assert all(one.focal <= 13 and one.branch - one.focal <= one.shared for one in lengths)
    assert all(len(set(pair.chosen_ids) & {0, 1}) == 1 for pair in pairs)
