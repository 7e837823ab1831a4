"""The study's figure, from made-up rows."""

from pathlib import Path

import pytest

from tasks.grids.comparison import ComparisonRow
from tasks.grids.study import Regime
from tasks.grids.study_figure import draw_study


def _regime(name: str) -> Regime:
    start = ComparisonRow(label="start", n=3000, scores=(0.3,), pass_at_1=0.3, spread=None, difference=None, ci95=None,
                p_value=None)  # fmt: skip
    rows = [
        ComparisonRow(label=label, n=3000, scores=(0.3, 0.3 + 2 * gain), pass_at_1=0.3 + gain, spread=gain,
            difference=gain,
            ci95=(gain - 0.01, gain + 0.01), p_value=0.001)
        for label, gain in (("SFT", 0.08), ("Target-RPO", 0.1))
    ]  # fmt: skip
    return Regime(regime=name, learning_rates={}, rows=[start, *rows], against_sft=[])


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_panel_a_regime_and_the_same_file_every_time(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    for path in (first, second):
        draw_study([_regime("base"), _regime("sft")], path)
    assert first.read_bytes() == second.read_bytes()
    one = tmp_path / f"one.{suffix}"
    draw_study([_regime("base")], one)
    assert 1000 < one.stat().st_size < first.stat().st_size
