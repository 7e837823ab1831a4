"""What stages read from outside of the checkout: DVC sees a change of it, and nothing else."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from iterpref_core.records import read_yaml, with_values
from tasks.external_inputs import EXTERNAL, write_external_inputs
from tests.dvc_repository import reproduce
from tests.settings import PARAMS, ROOT
from tests.texts import write_files

GRAPH = {
    "training": {
        "cmd": "echo ran >> log; touch out",
        "params": [{str(EXTERNAL): ["external.files.student", "external.transformers"]}],
        "outs": ["out"],
    },
}
FILES = {name: (ROOT / name).read_text() for name in (".dvcignore", "config/dvc.yaml", "flows/stage.sh")}


@pytest.fixture
def external(tmp_path, monkeypatch):
    """A model's folder and two benchmarks; returns a function that reads what is written of them, as text by key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HUMANEVAL_OVERRIDE_PATH", raising=False)
    write_files(tmp_path, dict.fromkeys(("model/weights", "base/config.json", "humaneval.jsonl", "mine.jsonl"), "1"))
    adapters = {"peft_type": "LORA", "base_model_name_or_path": str(tmp_path / "base")}
    write_files(tmp_path, {"model/adapter_config.json": json.dumps(adapters)})
    values = {
        "model.student": str(tmp_path / "model"),
        "pairs.benchmarks": ["heldout", "mine.jsonl"],
        "evaluation.benchmarks": ["heldout", "humaneval"],
    }

    def read():
        write_external_inputs(with_values(PARAMS, values))
        return {key: json.dumps(value) for key, value in json.loads(EXTERNAL.read_text())["external"].items()}

    return read


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        (lambda: Path("model/weights").write_text("2"), {"files"}),
        (lambda: Path("model/tokenizer").touch(), {"files"}),
        (lambda: Path("base/weights").touch(), {"files"}),
        (lambda: os.utime("model/weights", (0, 0)), set()),
        (lambda: Path("mine.jsonl").write_text("2"), {"screened"}),
        (lambda: os.environ.update(HUMANEVAL_OVERRIDE_PATH="humaneval.jsonl"), {"measured", "screened"}),
    ],
)
def test_other_content_is_another_value_and_a_new_time_is_not(change, keys, external):
    before = external()
    change()
    after = external()
    assert {key for key in after if after[key] != before[key]} == keys


@pytest.mark.parametrize(("ran_with", "counts"), [("model", True), ("other", False)])
def test_a_path_that_is_not_on_this_machine_keeps_what_a_stage_has_run_with(ran_with, counts, external, tmp_path):
    before = external()
    locked = {f"external.files.{name}": digest for name, digest in json.loads(before["files"]).items()}
    params = {"params.yaml": {"model.student": str(tmp_path / ran_with)}, str(EXTERNAL): locked}
    Path("dvc.lock").write_text(json.dumps({"stages": {"problems": {}, "nanolab": {"params": params}}}))
    shutil.rmtree("model")
    assert (external() == before) == counts


def test_a_file_is_read_once_unless_the_list_of_digests_is_torn(external, monkeypatch):
    before = external()
    Path(".iterpref/digests.json").write_text('{"')
    assert external() == before
    monkeypatch.setattr("tasks.external_inputs.file_digest", lambda _: pytest.fail("it is read again"))
    assert external() == before


def test_other_weights_are_seen_by_the_workflow_of_pull_requests_in_a_clone_and_by_a_plain_dvc_repro(toy_checkout):
    """The stage that always runs is no difference between the clone and its lock; nor is a folder that it lacks."""
    steps = read_yaml(ROOT / "docs/experiment-workflow.yaml")["jobs"]["scores"]["steps"]
    (script,) = [step["run"] for step in steps if "dvc repro" in step.get("run", "")]
    folder = toy_checkout(GRAPH, FILES)
    weights = folder.with_name("weights")
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("  student: nanolab", f"  student: {weights}", 1))
    weights.write_text("1")
    reproduce()
    shutil.rmtree(".iterpref")  # a clone has none
    ends = []
    for content in ("1", None, "2"):
        weights.write_text(content) if content else weights.unlink()
        command = ["bash", "-eo", "pipefail", "-c", script]
        ends.append(subprocess.run(command, env=os.environ | {"RUNNER_TEMP": str(folder)}, check=False).returncode)
    assert ends == [0, 0, 1]
    reproduce()
    assert (folder / "log").read_text().split() == ["ran"] * 2
