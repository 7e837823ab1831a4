"""The study's figure, from made-up rows."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from flows import cli
from iterpref_core.errors import InputError
from iterpref_core.records import Divergence
from tasks.grids.comparison import ComparisonRow
from tasks.grids.study import Change, Configuration, RegimeResult, StudyChoice, Tried
from tasks.grids.study_figure import FIGURES, draw_rates, draw_study, share_above_start
from tasks.grids.trial import Inside


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
    moved = Divergence(kl_error=0.4, kl_rejected=0.1, kl_chosen=0.05, kl_unrelated=0.01, chosen_logp=(-9, -4),
                first_wrong=(0.5, 0.1))  # fmt: skip
    tried = [
        Tried(label=row.label, setting=Configuration(learning_rate=rate, alpha=1, beta=1, epochs=1), pass_at_1=score)
        for row in rows
        for rate, score in ((1e-5, 0.29), (1e-4, 0.35), (1e-3, 0.4), (2e-3, 0.1))
    ]
    choice = StudyChoice(
        regime=name, pairs=900, rounds=0, start=0.3, tried=tried, chosen={row.label: tried[1].setting for row in rows}
    )
    inside = Inside(pass_at_10=0.6, divergence=moved)
    return RegimeResult(
        choice=choice, commit=None, pairs=900,
        tuned=both, tuned_against_sft=[], published=both, published_against_sft=[],
        start_inside=Inside(pass_at_10=0.5, divergence=None),
        changes={row.label: Change(fixed=300, broken=60, inside=inside) for row in rows}, costs={},
    )  # fmt: skip


def _drawn(path: Path, name: str) -> list[ET.Element]:
    return [one for one in ET.parse(path).iter() if one.get("class") == name]


def test_two_panels_a_regime_with_a_row_a_method_and_a_dot_a_seed(tmp_path: Path) -> None:
    draw_study([_regime("scratch"), _regime("habits")], tmp_path)
    path = tmp_path / "gains.svg"
    assert [one.text for one in _drawn(path, "title")] == [
        f"{name}, {how}: 3,000 problems, 2 seeds" for name in ("scratch", "habits") for how in ("tuned", "as published")
    ]
    assert [one.text for one in _drawn(path, "name")] == ["SFT", "Target-RPO"] * 4
    assert [len(_drawn(path, name)) for name in ("effect", "interval", "one")] == [8, 8, 16]


def test_gains_intervals_and_the_reference_are_on_one_scale(tmp_path: Path) -> None:
    draw_study([_regime("scratch")], tmp_path)
    path = tmp_path / "gains.svg"
    found = [one for one in _drawn(path, "tick") if not (one.text or "").startswith("points")]
    ticks = {float(one.text or ""): float(one.get("x", "")) for one in found}

    def points(one: ET.Element, key: str) -> float:
        return 10 * (float(one.get(key, "")) - ticks[0]) / (ticks[10] - ticks[0])

    assert [points(one, "cx") for one in _drawn(path, "effect")] == pytest.approx([8, 10] * 2, abs=0.02)
    ends = [(points(one, "x1"), points(one, "x2")) for one in _drawn(path, "interval")]
    assert ends == [pytest.approx((7, 9), abs=0.02), pytest.approx((9, 11), abs=0.02)] * 2
    assert [points(one, "cx") for one in _drawn(path, "one")] == pytest.approx([0, 16, 0, 20] * 2, abs=0.02)
    assert [points(_drawn(path, name)[0], "x1") for name in ("zero", "reference")] == pytest.approx([0, 8], abs=0.02)


def test_every_configuration_is_a_point_over_its_rate(tmp_path: Path) -> None:
    regimes = [_regime("scratch"), _regime("habits")]
    draw_study(regimes, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(FIGURES)
    path = tmp_path / "rates.svg"
    assert [one.text for one in _drawn(path, "title")] == [
        f"{name}: {label}" for name in ("scratch", "habits") for label in ("SFT", "Target-RPO")
    ]
    points, starts = _drawn(path, "point"), _drawn(path, "start")
    assert (len(points), len(starts)) == (16, 4)
    higher = [float(one.get("cy", "")) < float(starts[0].get("y1", "")) for one in points[:4]]
    assert higher == [False, True, True, False]
    assert share_above_start(regimes[0].choice, "SFT") == 0.5
    assert "50% above the start" in path.read_text()


def test_panels_stand_in_the_study_s_order(tmp_path: Path) -> None:
    choice = _regime("habits").choice
    draw_rates([choice.model_copy(update={"tried": choice.tried[::-1]})], tmp_path)
    titles = [title.text for title in _drawn(tmp_path / "rates.svg", "title")]
    assert titles == ["habits: SFT", "habits: Target-RPO"]


def test_many_methods_have_several_rows_of_panels(tmp_path: Path) -> None:
    choice = _regime("habits").choice
    one = choice.tried[0]
    labels = [f"method {number}" for number in range(7)]
    many = choice.model_copy(
        update={
            "tried": [one.model_copy(update={"label": label}) for label in labels],
            "chosen": dict.fromkeys(labels, one.setting),
        }
    )
    draw_rates([many, choice], tmp_path)
    path = tmp_path / "rates.svg"
    titles = [title.text for title in _drawn(path, "title")]
    assert titles == [*(f"habits: {label}" for label in labels), "habits: SFT", "habits: Target-RPO"]
    assert len(_drawn(path, "start")) == len(titles), "nothing is drawn where the row has no more panels"
    places = [one.get("transform", "") for one in ET.parse(path).iter() if one.get("transform")]
    assert len(set(places)) == len(titles)
    assert [place.split()[1] for place in places] == ["0)"] * 5 + ["170)"] * 2 + ["340)"] * 2, "a regime begins a row"
    assert {path.name for path in tmp_path.iterdir()} == {"rates.svg"}


def test_what_changed_inside_has_a_panel_a_measure(tmp_path: Path) -> None:
    draw_study([_regime("scratch")], tmp_path)
    titles = [one.text for one in _drawn(tmp_path / "changes.svg", "title")]
    assert len(titles) == 9
    assert titles[0] == "scratch: held-out problems fixed"


def test_choosing_and_what_was_chosen_do_not_go_together(tmp_path: Path) -> None:
    chosen = tmp_path / "chosen.json"
    chosen.write_text("[]")
    done = CliRunner().invoke(cli.app, ["study", "--choose", str(tmp_path / "new.json"), "--chosen", str(chosen)])
    assert isinstance(done.exception, InputError)
    assert "give one of them" in str(done.exception)
