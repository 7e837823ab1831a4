"""The scripts of `examples/`, as somebody would start them."""

import runpy
import sys

import pytest

from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Source
from iterpref_core.problems.ingestion.problem_rows import Selection
from tests.settings import EXECUTION, ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore:'pin_memory':UserWarning"),  # of a machine without an accelerator
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning"),
]


@pytest.fixture
def model_folder(make_model):
    from iterpref_core.training.nanolab.byte_bpe import train_tokenizer

    program = "def total(nums):\n    kept = [n for n in nums if n > 3]\n    return sum(kept)\n"
    return make_model(train_tokenizer([f"Sum what is above 3.\n{program}", "Write f(x) that adds 1.\n"], 300))


@pytest.fixture
def run(model_folder, tmp_path, monkeypatch):
    """Runs a script on an untrained model; returns its variables."""
    import torch

    def start(name):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        monkeypatch.setattr(sys, "argv", [name, str(model_folder), str(tmp_path / "out")])
        torch.manual_seed(0)
        return runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")

    return start


def test_focal_preference_training_without_the_pipeline(run, tmp_path):
    trainer = run("focal_dpo.py")["trainer"]
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[0] == pytest.approx(0.6931, abs=1e-4)  # policy and reference are the same model
    assert losses[-1] < losses[0]
    first = trainer.train_dataset[0]
    assert 0 < sum(trainer.data_collator.error_region(first)) < len(first["rejected_ids"])
    assert (tmp_path / "out/model.safetensors").is_file()


def test_a_name_a_configuration_and_pairs_train_focally(run, tmp_path):
    trainer = run("focal_trainer.py")["trainer"]
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[0] == pytest.approx(0.6931, abs=1e-4)
    assert losses[-1] < losses[0]
    first = trainer.train_dataset[0]
    assert 0 < sum(first.focal) < len(first.rejected_ids)
    assert (tmp_path / "out/model.safetensors").is_file()


def test_the_script_in_the_readme_is_the_example():
    script = (ROOT / "examples/focal_trainer.py").read_text(encoding="utf-8").rpartition('"""\n\n')[2]
    assert f"```python\n{script}```" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert len([line for line in script.splitlines() if line]) <= 15


def test_execution_is_a_reward_of_grpo(run, tmp_path):
    found = run("grpo_reward.py")
    assert found["args"].max_steps == 2
    assert list((tmp_path / "out").glob("checkpoint-2"))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.jsonl")), ids=lambda path: path.stem)
def test_examples_of_problems_go_in_as_they_stand(path, tmp_path):
    count = len(path.read_text(encoding="utf-8").splitlines())
    counts = ingest(Source([path]), "problems", tmp_path / "out", EXECUTION, Selection(), tmp_path / "store").counts
    assert counts["problems"] == counts["references/passed"] == count
