"""What a run may be asked for: lists for the form, and one message for what is not in them."""

from pathlib import Path

import pytest
import yaml
from prefect.exceptions import ParameterTypeError

from flows.experiment import experiment
from iterpref_core.config import load_params
from iterpref_core.errors import ConfigError
from iterpref_core.objectives.objectives import OBJECTIVES, Objective, sigmoid_loss
from tasks.orchestration.run_options import Choice, parse_choice, profile_names, stage_names
from tasks.orchestration.workspaces import check_objectives, choose_objectives, state_objectives
from tasks.recording.dvc_graph import load_graph
from tests.settings import ROOT


def test_the_form_offers_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    fields = experiment.parameters.properties
    assert list(fields) == ["profile", "objectives", "benchmarks", "seeds", "stages", "force", "jobs"]
    assert "tiny" in fields["profile"]["enum"]
    assert fields["profile"]["default"] == "unchanged"
    assert "target-rpo" in fields["objectives"]["items"]["enum"]
    assert "livecodebench" in fields["benchmarks"]["items"]["enum"]
    assert fields["seeds"]["items"]["type"] == "integer"
    assert "training@dpo" in fields["stages"]["items"]["enum"]
    assert fields["force"]["type"] == "boolean"
    assert experiment.parameters.required == []


def test_stages_are_those_of_the_graph() -> None:
    graph = load_graph(ROOT)
    assert set(stage_names(ROOT / "dvc.yaml")) == set(graph) | {"training", "evaluation"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stages": ["traning"]}, "stages.0: Value error, no stage 'traning'; did you mean 'training'?"),
        ({"profile": "tinny"}, "profile: Value error, no profile 'tinny'; did you mean 'tiny'?"),
        ({"objectives": ["dop"]}, "objectives.0: Value error, no objective 'dop'; did you mean 'dpo'?"),
        ({"benchmarks": ["humanevil"]}, "benchmarks.0: Input should be 'heldout'"),
        ({"seeds": [-1]}, "seeds.0: Input should be greater than or equal to 0"),
        ({"jobs": 0}, "jobs: Input should be greater than or equal to 1"),
    ],
)
def test_what_is_not_offered_is_refused(
    given: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ParameterTypeError) as refused:
        experiment.validate_parameters(given)
    assert message in str(refused.value)


def test_the_command_line_refuses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert parse_choice("tiny", ["dpo"], [], [3])["seeds"] == (3,)
    with pytest.raises(ConfigError, match="no profile 'tinny'; did you mean 'tiny'"):
        parse_choice("tinny", [], [], [])
    assert profile_names()[0] == Choice().profile


def test_chosen_objectives_replace_those_of_the_graph() -> None:
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    choose_objectives(graph, ["sft-rejected", "dpo"])
    stages = graph["stages"]
    assert stages["training"]["matrix"] == {"objective": ["sft-rejected", "dpo"]}
    assert list(stages["evaluation"]["foreach"]) == ["base", "debugger", "sft-rejected", "dpo"]
    assert "rpo.curve" not in yaml.safe_dump(graph["plots"])


NEW = Objective("New", 2e-5, sigmoid_loss, rejected="focal")


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and dvc.yaml, and an objective that neither names."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(OBJECTIVES, "new", NEW)
    return tmp_path


@pytest.mark.parametrize("written", ["block", "flow", "empty"])
def test_values_that_the_table_decides_are_stated_where_dvc_looks_for_them(described: Path, written: str) -> None:
    params = described / "params.yaml"
    if written != "block":
        content = yaml.safe_load(params.read_text())
        content["training"]["objectives"] = {} if written == "empty" else {"dpo": {"alpha": 0.0}}
        params.write_text(yaml.safe_dump(content, default_flow_style=None))
    before, text = load_params(params).training.objectives, params.read_text()
    state_objectives(["dpo", "new", "rpo"], params)
    after = load_params(params).training.objectives
    assert {name: after[name] for name in before} == before, "what is stated stays"
    assert after["new"].model_dump() == {"learning_rate": 2e-5, "alpha": 0.0}
    assert after.keys() == before.keys() | {"dpo", "new", "rpo"}
    assert len(params.read_text()) > len(text)
    assert set(text.splitlines()) <= set(params.read_text().splitlines()) or written != "block"


def test_what_cannot_be_trained_is_named_before_anything_runs(described: Path) -> None:
    check_objectives()
    (described / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text().replace("[sft, dpo,", "[sft, new, dpo,"))
    with pytest.raises(ConfigError, match=r"objectives\.new is missing, and dvc\.yaml trains new; add `new: {}`"):
        check_objectives()
    (described / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text().replace("[sft, dpo,", "[sft, dop,"))
    with pytest.raises(ConfigError, match=r"dvc\.yaml: stages\.training\.matrix\.objective: no objective 'dop'"):
        check_objectives()
    (described / "params.yaml").write_text((ROOT / "params.yaml").read_text().replace("    rpo:", "    rpoo:"))
    with pytest.raises(ConfigError, match=r"training\.objectives: no objective 'rpoo'; did you mean 'rpo'"):
        check_objectives()
