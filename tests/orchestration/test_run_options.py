"""What a run may be asked for: lists for the form, and one message for what is not in them."""

import pytest
import yaml
from prefect.exceptions import ParameterTypeError

from flows.experiment import experiment
from iterpref_core.errors import ConfigError
from tasks.orchestration.run_options import Choice, parse_choice, profile_names, stage_names
from tasks.orchestration.workspaces import choose_objectives
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
        ({"objectives": ["dop"]}, "objectives.0: Input should be 'sft'"),
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
