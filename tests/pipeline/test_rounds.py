"""Rounds for real, tiny: what the second one starts from, and that neither is done twice."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.pipeline.conftest import Workspace

pytestmark = [pytest.mark.timeout(2400), pytest.mark.xdist_group("experiment")]

ROUNDS = ("rounds", "--count", "2", "--objective", "sft", "--json")


@pytest.fixture(scope="module")
def repeated(experiment: "Workspace") -> "Workspace":
    """The finished experiment with a commit, beside which DVC keeps others."""
    experiment.must("git", "add", "--all")
    experiment.must("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "all")
    return experiment


def result(output: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output[output.index("\n[") :])
    return found


def shown(workspace: "Workspace", commit: str, path: str) -> Any:
    return yaml.safe_load(workspace.must("git", "show", f"{commit}:{path}"))


def test_the_second_round_starts_from_the_model_of_the_first(repeated: "Workspace") -> None:
    before = (repeated.path / "params.yaml").read_bytes()
    done = repeated.iterpref(*ROUNDS)
    assert done.returncode == 0, done.stdout
    first, second = result(done.stdout)
    assert (repeated.path / "params.yaml").read_bytes() == before
    assert [one["number"] for one in (first, second)] == [1, 2]
    refs = dict(line.split()[::-1] for line in repeated.must("git", "show-ref").splitlines() if "refs/exps" in line)
    commits = [
        next(commit for ref, commit in refs.items() if ref.endswith(one["experiment"])) for one in (first, second)
    ]
    locks = [shown(repeated, commit, "dvc.lock")["stages"] for commit in commits]
    (trained,) = [out["md5"] for out in locks[0]["training@sft"]["outs"] if out["path"] == "models/trained/sft"]
    students = [shown(repeated, commit, "params.yaml")["model"]["student"] for commit in commits]
    assert students[0] == "nanolab"
    assert Path(students[1]).name == trained
    assert (Path(students[1]) / "model.safetensors").is_file()
    assert second["before"] == first["after"], "the reference of a round is the model of the round before"
    assert second["calls"] > 0


def test_finished_rounds_are_kept(repeated: "Workspace") -> None:
    done = repeated.iterpref(*ROUNDS)
    assert done.returncode == 0, done.stdout
    assert "done in" not in done.stdout
    assert len(result(done.stdout)) == 2
