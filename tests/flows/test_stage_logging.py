"""Records of what DVC runs: two trainings with two betas, what is restored, and what fails."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from flows import stage
from flows.cli import run_verbs
from iterpref_core.records import read_yaml
from tasks.mlflow.entry import kept_entries
from tasks.mlflow.server import Server
from tasks.profiles import write_values
from tests.dvc_repository import reproduce
from tests.once import give_mlflow_tables

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TOY = """
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from flows import stage
from tasks.stages.stage import Stage

def measured(name, number):
    return SimpleNamespace(metrics=lambda: {name: number})

def pairs(params):
    Path("data").mkdir(exist_ok=True)
    Path("data/pairs.jsonl").write_text('{"task_id": "a"}\\n')
    return measured("pairs", 1.0)

def training(params, objective):
    if params.training.objectives["dpo"].beta > 1:
        raise stage.InputError("beta is large")
    # What other clients of MLflow read, such as that of `report_to`.
    assert os.environ["MLFLOW_TRACKING_URI"].endswith("checkout/mlflow.db")
    assert os.environ["MLFLOW_EXPERIMENT_NAME"] == "iterpref"
    Path("models/trained").mkdir(exist_ok=True, parents=True)
    Path(f"models/trained/{objective}").write_text(str(params.training.objectives["dpo"].beta))
    return measured("loss", params.training.objectives["dpo"].beta)

def evaluation(params, objective):
    out = Path(f"results/{objective}")
    out.mkdir(parents=True, exist_ok=True)
    score = float(Path(f"models/trained/{objective}").read_text())
    (out / "results.json").write_text(json.dumps({"model": f"{objective} {score}", "benchmarks": {}}))
    return measured("heldout/pass_at_1", score)

TOYS = {"pairs": pairs, "training": training, "evaluation": evaluation}

def run(called, params, *words):
    return TOYS[called.name](params, *words)

if __name__ == "__main__":
    Stage.run = run
    sys.exit(stage.main(*sys.argv[1:]))
"""
PARAMS = ["training.epochs", "training.seed", "training.objectives.dpo"]
STAGES = {
    "pairs": {"cmd": "python toy.py pairs", "outs": ["data/pairs.jsonl"], "metrics": ["metrics/pairs.json"]},
    "training": {
        "foreach": ["dpo"],
        "do": {
            "cmd": "python toy.py training ${item} || exit",  # a shell stays between DVC and the stage
            "deps": ["data/pairs.jsonl", "code.py"],
            "params": PARAMS,
            "outs": ["models/trained/${item}"],
            "metrics": ["metrics/training/${item}.json"],
        },
    },
    "evaluation": {
        "foreach": ["dpo"],
        "do": {
            "cmd": "python toy.py evaluation ${item}",
            "deps": ["models/trained/${item}"],
            "outs": ["results/${item}"],
            "metrics": ["metrics/evaluation/${item}.json"],
        },
    },
}
IGNORED = "data\nmodels\nresults\nmetrics\n.iterpref\nmlflow.db*\nmlartifacts\n__pycache__\n"


@pytest.fixture
def toy(toy_checkout, tmp_path_factory, monkeypatch):
    """A checkout whose stages take no time. DVC that runs in this process calls them here, too."""
    folder = toy_checkout(STAGES, {"toy.py": TOY, "code.py": "1", ".gitignore": IGNORED})
    give_mlflow_tables(tmp_path_factory, folder)
    monkeypatch.setattr("tasks.stages.stage.Stage.run", runpy.run_path("toy.py")["run"])

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):  # a stage sets them
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def call(_, command, **_others):
        stage._run(*command.removeprefix("python toy.py ").removesuffix(" || exit").split())

    monkeypatch.setattr("dvc.stage.run._run", call)  # each process would import MLflow, for seconds
    return folder


def run(*command, code=0):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == code, done.stdout
    return done.stdout


def set_beta(value):
    write_values({"training.objectives.dpo.beta": value})


def digests():
    """Path → digest of all outputs, as dvc.lock has them."""
    stages = read_yaml(Path("dvc.lock"))["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def rows():
    """All runs, the newest first."""
    server = Server()
    return list(server.client.search_runs([server.experiment_id], order_by=["attributes.start_time DESC"]))


def stage_rows(stage):
    return [row for row in rows() if row.data.tags.get("iterpref.stage") == stage]


def command_rows():
    return [row for row in rows() if "mlflow.parentRunId" not in row.data.tags]


def test_every_state_has_its_own_row_what_dvc_restores_has_none_and_the_newest_commit_has_scores(toy, capsys):
    made = {}
    for beta in (0.1, 0.23):
        set_beta(beta)
        reproduce()  # of one process, and each time is recorded
        made[str(beta)] = digests()["models/trained/dpo"]
    times = {path.name: float(path.read_text()) for path in Path(".iterpref/work/times").iterdir()}
    assert times.keys() == {"pairs", "training@dpo", "evaluation@dpo"}, "seconds"
    first = run("git", "rev-parse", "HEAD").strip()
    server = Server()
    assert len(stage_rows("training@dpo")) == len(stage_rows("evaluation@dpo")) == 2
    for row in stage_rows("training@dpo"):
        beta = row.data.params["training.beta"]
        assert row.data.metrics["loss"] == float(beta)
        (written,) = server.client.get_run(row.info.run_id).outputs.model_outputs
        model = server.client.get_logged_model(written.model_id)
        assert (model.tags["dvc.md5"], model.params["training.beta"]) == (made[beta], beta)
    assert [row.info.run_name for row in command_rows()] == [
        "dvc repro objectives.dpo.beta=0.23",
        f"dvc repro {first[:7]}",
    ]
    for row in command_rows():
        assert row.data.metrics == {"heldout/pass_at_1/dpo": float(row.data.params["training.objectives.dpo.beta"])}

    before = len(rows())
    run("git", "checkout", "--", "params.yaml")
    reproduce()
    assert len(rows()) == before, "the run cache has brought it back"

    run_verbs.run(["pairs"])
    assert "1 stage is up to date" in capsys.readouterr().err
    assert len(rows()) == before, "nothing was executed"
    Path("code.py").write_text("2")
    run("git", "commit", "--quiet", "--all", "--message", "code")
    run_verbs.run(["evaluation"])
    assert len(rows()) == before + 2, "the command and the training"
    row = command_rows()[0]
    commit = run("git", "rev-parse", "HEAD").strip()
    assert row.info.run_name == f"iterpref run {commit[:7]}"
    assert row.data.tags["mlflow.source.git.commit"] == commit
    assert row.data.tags["mlflow.source.git.dirty"] == "false"
    assert row.data.metrics == {"heldout/pass_at_1/dpo": 0.1}
    assert len(stage_rows("pairs")) == 1, "it was reused"
    assert kept_entries() == []


def test_a_command_that_fails_says_so(toy):
    reproduce("pairs")
    set_beta(1.5)
    run(sys.executable, "toy.py", "training", "dpo", code=2)
    (row,) = [row for row in command_rows() if row.info.status == "FAILED"]
    assert row.data.params["training.objectives.dpo.beta"] == "1.5"
    assert row.data.tags["mlflow.note.content"] == "training@dpo: beta is large"
    assert stage_rows("training@dpo") == [], "Prefect has stages that failed"
