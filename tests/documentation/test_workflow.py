"""The workflow of docs/experiment-workflow.yaml, run: its steps, in order, in a clone that GitHub would have made."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iterpref_core.records.input_files import read_yaml
from tasks.profiles import write_values
from tests.dvc_repository import reproduce
from tests.settings import ROOT

pytestmark = pytest.mark.timeout(900)  # DVC starts a dozen times, on a machine that others may use

WORKFLOW = ROOT / "docs/experiment-workflow.yaml"
STAGES = {
    "evaluation": {
        "foreach": {"base": "models/student", "target-rpo": "models/trained/target-rpo"},
        "do": {
            "cmd": "python evaluate.py ${key}", "deps": ["evaluate.py"], "params": ["validity.sample"],
            "outs": ["results/${key}"], "metrics": ["metrics/${key}.json"],
        },
    },
    "report": {
        "cmd": "cp metrics/target-rpo.json metrics.json", "metrics": ["metrics.json"],
        "deps": ["results/base", "results/target-rpo", "metrics/target-rpo.json"],
    },
}  # fmt: skip
EVALUATE = """
import json, pathlib, sys

from iterpref_core.records.input_files import read_yaml

params = read_yaml(pathlib.Path("params.yaml"))
solved = params["validity"]["sample"] if sys.argv[1] == "target-rpo" else 50
entry = {
    "available": True, "pass_at_1": solved / 100, "n": 100, "ci95": [0, 1], "errors": {},
    "verdicts": {f"t/{number}": ["passed" if number < solved else "wrong_answer"] for number in range(100)},
    "passed": [f"t/{number}" for number in range(solved)], "data": {"name": "heldout", "sha256": "abc"},
    "harness": "h-1", "limits": {}, "isolation": "i",
}
for path, content in (
    (f"results/{sys.argv[1]}/results.json", {"model": sys.argv[1], "benchmarks": {"heldout": entry}}),
    (f"metrics/{sys.argv[1]}.json", {"heldout": solved / 100}),
):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
"""
GH = """#!/bin/sh
echo "$@" > "$RUNNER_TEMP/arguments"
while test "$1" != --body-file; do shift; done
cp "$2" "$RUNNER_TEMP/posted.md"
"""
MAKEFILE = f"""
.venv/.installed:
	mkdir -p .venv/bin
	for name in python dvc; do ln -sf {Path(sys.executable).parent}/$$name .venv/bin/$$name; done
	printf '#!/bin/sh\\nexec {sys.executable} -m iterpref_cli "$$@"\\n' > .venv/bin/iterpref
	chmod +x .venv/bin/iterpref
"""


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def commit(message):
    git("add", "--all")
    git("commit", "--quiet", "--message", message)
    return git("rev-parse", "HEAD")


def set_solved(solved):
    """Set the parameter that stands for what a training depends on."""
    shutil.copy2(ROOT / "params.yaml", "params.yaml")
    write_values({"validity.sample": solved})


def evaluate_and_push(solved):
    """Commit the results of a model that solves so many problems, and return the commit."""
    from dvc.repo import Repo

    set_solved(solved)
    reproduce()
    with Repo() as repo:
        repo.push()
    return commit(f"{solved} are solved")


@pytest.fixture
def project(toy_checkout, tmp_path):
    """A repository with a remote, which is the present folder."""
    ignored = "/results\n/metrics\n/metrics.json\n/.venv\n/.iterpref\n"
    folder = toy_checkout(STAGES, {"evaluate.py": EVALUATE, "Makefile": MAKEFILE, ".gitignore": ignored})
    Path(".dvc/config").write_text(f"[core]\nremote = store\n['remote \"store\"']\nurl = {tmp_path / 'store'}\n")
    return folder


def run_workflow(project, before):
    """Run the steps in a clone; after a failure those alone that say so.

    Returns:
        The exit code of each step that ran, their output, and the folder of the runner.
    """
    top = project.parent / "runner"
    temp = top / "temp"
    tools = top / "tools"
    for folder in (temp, tools):
        folder.mkdir(parents=True)
    (tools / "gh").write_text(GH, encoding="utf-8")
    (tools / "gh").chmod(0o755)
    git("clone", "--quiet", str(project), str(top / "clone"))
    known = {
        "github.event.pull_request.base.sha": before,
        "github.event.pull_request.number": "7",
        "secrets.AWS_ACCESS_KEY_ID": "",
        "secrets.AWS_SECRET_ACCESS_KEY": "",
        "github.token": "token",
    }
    content = read_yaml(WORKFLOW)
    assert content["defaults"]["run"]["shell"] == "bash"
    (job,) = content["jobs"].values()
    given = {
        name: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known[found[1]], text) for name, text in job["env"].items()
    }
    added = temp / "path"
    added.touch()
    codes = {}
    output = ""
    for step in job["steps"]:
        assert "uses" in step or "run" in step
        assert step.get("if", "${{ !cancelled() }}") == "${{ !cancelled() }}"
        if "run" not in step or (any(codes.values()) and "if" not in step):
            continue
        path = os.pathsep.join([*added.read_text(encoding="utf-8").split("\n")[::-1], str(tools), os.environ["PATH"]])
        runner = {"PATH": path.lstrip(os.pathsep), "RUNNER_TEMP": str(temp), "GITHUB_PATH": str(added)}
        environment = os.environ | given | runner | {"PYTHONPATH": str(ROOT)}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        ended = subprocess.run(command, cwd=top / "clone", env=environment, capture_output=True, text=True, check=False)
        codes[step["name"]] = ended.returncode
        output += ended.stdout + ended.stderr
    return codes, output, temp


@pytest.mark.slow
@pytest.mark.parametrize(("solved", "gate"), [(60, 0), (30, 1)])
def test_a_better_model_passes_a_worse_one_fails_and_the_scores_are_a_comment(project, solved, gate):
    before = evaluate_and_push(50)
    evaluate_and_push(solved)
    codes, output, temp = run_workflow(project, before)
    assert codes == {
        "Install": 0,
        "The results are of this code": 0,
        "Fetch the results of both commits": 0,
        "The model has not become worse": gate,
        "Comment on the scores": 0,
    }, output
    assert (temp / "arguments").read_text(encoding="utf-8").startswith("pr comment 7 --body-file")
    posted = (temp / "posted.md").read_text(encoding="utf-8")
    assert re.search(rf"\| metrics.json +\| heldout +\| 0.5 +\| {solved / 100} +\| {solved / 100 - 0.5:.1f}", posted), (
        posted
    )


def test_a_lock_of_other_parameters_fails_before_anything_is_fetched(project):
    before = evaluate_and_push(50)
    set_solved(51)
    commit("a parameter, and no run")
    codes, output, _ = run_workflow(project, before)
    assert codes["The results are of this code"] == 1, output
    assert "::error::dvc.lock is of other code or parameters" in output
    assert "Fetch the results of both commits" not in codes


def test_the_example_names_what_is_here():
    text = WORKFLOW.read_text(encoding="utf-8")
    checks = read_yaml(ROOT / ".github/workflows/checks.yaml")
    actions = {step["uses"] for job in checks["jobs"].values() for step in job["steps"] if "uses" in step}
    assert set(re.findall(r"uses: (\S+)", text)) <= actions
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    (fetched,) = set(re.findall(r"dvc pull (.+)", text))
    assert set(fetched.split()) <= stages.keys()
    (model,) = re.findall(r"MODEL: (\S+)", text)
    assert model in stages["evaluation"]["foreach"]
    assert re.search(r"(?m)^\.venv/\.installed|^INSTALLED", (ROOT / "Makefile").read_text(encoding="utf-8"))
