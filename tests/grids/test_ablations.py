"""ablations.yaml: every row can be run, and mistakes are named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from flows.cli import app
from iterpref_core.config import Params, with_values
from iterpref_core.errors import ConfigError, InputError
from tasks.grids import ablations
from tasks.grids.ablations import load_grid
from tasks.grids.comparison import ComparisonRow, compare_rows
from tasks.grids.trial import Trial, TrialScore
from tasks.grids.tuning import best_of, count_trainings, grid
from tests.settings import ROOT

GRIDS = yaml.safe_load((ROOT / "ablations.yaml").read_text())


@pytest.mark.parametrize("name", list(GRIDS))
def test_every_row_names_what_exists(name: str, params: Params) -> None:
    rows = load_grid(name, params, ROOT / "ablations.yaml")
    assert len({row.label for row in rows}) == len(rows) == len(GRIDS[name])
    assert all(row.split == "validation" for row in rows)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{label: a, objective: dop}", "own: row 1: no objective 'dop'; did you mean 'dpo'"),
        ("{objective: dpo}", "own: row 1: .*label"),
        (
            "{label: a, objective: dpo, training.bta: 1}",
            "own: row 1: training.bta: .* did you mean 'beta'",
        ),
        ("{label: a, objective: dpo, trian.beta: 1}", "own: row 1: trian: unknown parameter; did you mean 'training'"),
        (
            "{label: a, objective: dpo, training.objectives.dop.alpha: 1}",
            "training.objectives: no objective 'dop'",
        ),
        ("{label: a, objective: dpo, training.seed.of: 1}", "own: row 1: training.seed.of: unknown parameter"),
        ("{label: a, objective: dpo, training.beta: -1}", "own: row 1: training.beta: input should be greater than 0"),
    ],
)
def test_a_wrong_row_is_named(row: str, message: str, params: Params, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(f"own:\n  - {row}\n")
    with pytest.raises(ConfigError, match=message):
        load_grid("own", params, tmp_path / "own.yaml")


def test_an_unknown_grid_is_answered_with_those_there_are(params: Params, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("one: [{label: a, objective: dpo}]\ntwo: []\n")
    for name in ("three", "two"):
        with pytest.raises(ConfigError, match=f"there is no grid '{name}'; available: one, two"):
            load_grid(name, params, tmp_path / "own.yaml")
    with pytest.raises(InputError, match=r"absent\.yaml: no such file"):
        load_grid("one", params, tmp_path / "absent.yaml")


def test_alpha_is_chosen_for_objectives_that_have_an_nll(params: Params) -> None:
    rates, alphas = params.tune.learning_rates, params.tune.alphas
    for objective, weights in {"target-rpo": alphas, "sft": alphas, "dpo": (0.0,), "hybrid-dpo": (0.0,)}.items():
        points = grid(objective, params)
        assert len(points) == len(rates) * len(weights)
        assert {point.values[f"training.objectives.{objective}.alpha"] for point in points} == set(weights)


def test_an_objective_that_params_do_not_name_has_its_grid(params: Params) -> None:
    unnamed = params.model_copy(update={"training": params.training.model_copy(update={"objectives": {}})})
    for point in grid("target-rpo", unnamed):
        changed = with_values(unnamed, point.values).training.objectives["target-rpo"]
        assert (changed.learning_rate, changed.alpha) == tuple(point.values.values())
    assert count_trainings(("dpo", "rpo"), unnamed) == "15 trainings (dpo 5, rpo 10)"


def test_the_best_of_equals_is_the_first(params: Params) -> None:
    points = grid("dpo", params)
    scores = [TrialScore(pass_at_1=share, n=10, passed=()) for share in (0.1, 0.3, 0.3, 0.2, 0.0)]
    assert best_of(zip(points, scores, strict=True))["dpo"] is points[1]


@pytest.fixture
def ablate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs the verb in the repository with scores made up in place of trainings; returns what it printed."""

    def scored(name: str, rows: list[Trial], params: Params, *_: object) -> list[ComparisonRow]:
        scores = {row.label: [TrialScore(pass_at_1=0.5, n=2, passed=("a",))] for row in rows}
        return compare_rows(scores, against=rows[0].label, resamples=10, seed=0)

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["ablate", *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setattr(ablations, "run_grid", scored)
    return run


def test_the_papers_figures_stand_beside_ours(ablate: Callable[..., str]) -> None:
    printed = ablate("localizer")
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]
    assert [(row[0], *row[-2:]) for row in cells] == [
        ("line LCS", "64.4%", ""),
        ("prefix and suffix", "61.9%", "−2.6"),
        ("token diff", "–", "–"),
        ("causal", "–", "–"),
    ]
    assert "Ours: nanolab, the embedded model, 2 problems of split validation." in printed
    assert "prefix and suffix: Qwen2.5-Coder-7B, Target-DPO, prefix-suffix (arXiv 2503.02783, table 19)" in printed


def test_the_papers_figures_are_in_the_json(ablate: Callable[..., str]) -> None:
    found = {row["label"]: row for row in json.loads(ablate("source", "--json"))}
    assert found["sampling"]["paper"]["scores"]["humaneval"] == 0.841
    assert "paper" not in found["sampling, DPO"], "table 7 has no such row"
