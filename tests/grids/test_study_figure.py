"""The study's figure, from made-up rows."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from flows import cli
from iterpref_core.errors import InputError
from tasks.grids.comparison import ComparisonRow
from tasks.grids.study import RegimeResult
from tasks.grids.study_figure import draw_study


def _regime(name: str) -> RegimeResult:
    start = ComparisonRow(label="start", n=3000, scores=(0.3,), pass_at_1=0.3, spread=None, difference=None, ci95=None,
                p_value=None)  # fmt: skip
    rows = [
        ComparisonRow(label=label, n=3000, scores=(0.3, 0.3 + 2 * gain), pass_at_1=0.3 + gain, spread=gain,
            difference=gain,
            ci95=(gain - 0.01, gain + 0.01), p_value=0.001)
        for label, gain in (("SFT", 0.08), ("Target-RPO", 0.1))
    ]  # fmt: skip
    both = [start, *rows]
    return RegimeResult(
        regime=name, start=0.3, tried=[], chosen={}, tuned=both, tuned_against_sft=[], published=both,
        published_against_sft=[],
    )  # fmt: skip


def _drawn(path: Path, name: str) -> list[ET.Element]:
    return [one for one in ET.parse(path).iter() if one.get("class") == name]


def test_two_panels_a_regime_with_a_row_a_method_and_a_dot_a_seed(tmp_path: Path) -> None:
    path = tmp_path / "study.svg"
    draw_study([_regime("scratch"), _regime("habits")], path)
    assert [one.text for one in _drawn(path, "title")] == [
        f"{name}, {how}: 3,000 problems, 2 seeds" for name in ("scratch", "habits") for how in ("tuned", "as published")
    ]
    assert [one.text for one in _drawn(path, "name")] == ["SFT", "Target-RPO"] * 4
    assert [len(_drawn(path, name)) for name in ("effect", "interval", "one")] == [8, 8, 16]


def test_gains_intervals_and_the_reference_are_on_one_scale(tmp_path: Path) -> None:
    path = tmp_path / "study.svg"
    draw_study([_regime("scratch")], path)
    found = [one for one in _drawn(path, "tick") if not (one.text or "").startswith("points")]
    ticks = {float(one.text or ""): float(one.get("x", "")) for one in found}

    def points(one: ET.Element, key: str) -> float:
        return 10 * (float(one.get(key, "")) - ticks[0]) / (ticks[10] - ticks[0])

    assert [points(one, "cx") for one in _drawn(path, "effect")] == pytest.approx([8, 10] * 2, abs=0.02)
    ends = [(points(one, "x1"), points(one, "x2")) for one in _drawn(path, "interval")]
    assert ends == [pytest.approx((7, 9), abs=0.02), pytest.approx((9, 11), abs=0.02)] * 2
    assert [points(one, "cx") for one in _drawn(path, "one")] == pytest.approx([0, 16, 0, 20] * 2, abs=0.02)
    assert [points(_drawn(path, name)[0], "x1") for name in ("zero", "reference")] == pytest.approx([0, 8], abs=0.02)


def test_another_kind_of_picture_is_refused_before_anything_is_trained() -> None:
    done = CliRunner().invoke(cli.app, ["study", "--figure", "study.png"])
    assert isinstance(done.exception, InputError)
    assert "study.png: the picture is drawn as SVG" in str(done.exception)
