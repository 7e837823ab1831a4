"""The cost model against two experiments that were measured, and against sizes that were published."""

from typing import NamedTuple

import pytest

from iterpref_core.config import load_params
from iterpref_core.report.labels import PAPER_PASS_RATES
from iterpref_core.training.method_costs import (
    Assumptions,
    Lengths,
    calls_per_problem,
    scale,
    scale_generation,
)
from iterpref_core.training.model_shape import read_shape
from iterpref_core.training.published_models import published_models
from tests.settings import ROOT


class Measured(NamedTuple):
    """What CodeFlow wrote, and what it took; bytes of trajectories, pairs, spans and kept answers."""

    problems: int
    pairs: int
    pass_rates: tuple[float, ...]
    lengths: Lengths
    calls: int
    prompt_tokens: int
    completion_tokens: int
    disk: int


NANO = Measured(
    500, 329, (0.188, 0.64, 0.758, 0.802, 0.828, 0.846), Lengths(151, 172.7, 69.6), 1392, 165_764, 92_126,
    510_814 + 184_457 + 30_316 + 1_134_592,
)  # fmt: skip
TINY = Measured(
    160, 26, (0.325, 0.4, 0.41875, 0.4375, 0.475, 0.4875), Lengths(140.4, 153.6, 61.2), 631, 74_642, 36_544,
    215_635 + 13_237 + 2_300 + 532_480,
)  # fmt: skip


@pytest.mark.parametrize("measured", [NANO, TINY], ids=["nano", "tiny"])
def test_what_codeflow_takes_is_near_what_was_measured(measured: Measured) -> None:
    assumed = Assumptions(pass_rates=measured.pass_rates, lengths=measured.lengths)
    found = scale_generation(measured.problems, assumed, measured.pairs)
    assert found.calls == measured.calls
    assert found.prompt_tokens / measured.prompt_tokens == pytest.approx(0.86, abs=0.03)
    assert found.completion_tokens / measured.completion_tokens == pytest.approx(0.88, abs=0.03)
    problems = measured.problems * (measured.lengths.prompt + measured.lengths.program + 1000)
    assert (found.disk - problems) / measured.disk == pytest.approx(1.0, abs=0.1)


def test_shapes_have_the_published_numbers_of_parameters() -> None:
    found = {name: read_shape(config).parameters for name, config in published_models().items()}
    assert found == {
        "Qwen2.5-Coder-0.5B": 494_032_768,
        "Qwen2.5-Coder-1.5B": 1_543_714_304,
        "Qwen2.5-Coder-7B": 7_615_616_512,
        "Qwen2.5-Coder-32B": 32_763_876_352,
        "Llama-3.1-70B": 70_553_706_496,
    }


def test_hours_grow_with_pairs_and_cards_with_models() -> None:
    generation, trained = scale((1_000, 10_000), load_params(ROOT / "params.yaml").training, Assumptions())
    assert generation[10_000].dollars == pytest.approx(10 * generation[1_000].dollars, rel=0.01)
    few, many = (row for row in trained if row.model == "Qwen2.5-Coder-7B")
    assert many.training_hours == pytest.approx(10 * few.training_hours, rel=0.01)
    assert few.evaluation_hours == many.evaluation_hours
    cards = [row.gpus for row in trained if row.pairs == 1_000]
    assert cards == sorted(cards)
    assert Assumptions().pass_rates == PAPER_PASS_RATES
    assert calls_per_problem(PAPER_PASS_RATES) == pytest.approx(3.162)
