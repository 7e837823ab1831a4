"""The scripts of `examples/`, as somebody would start them."""

import runpy
import sys
from unittest.mock import patch

import pytest

from iterpref_core.models.pretrained.lineage import read_lineage
from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.problems.ingestion.problem_rows import Selection
from iterpref_core.records import OBJECTIVES, InputError
from iterpref_core.storage.jsonl import read_pairs
from iterpref_core.training.objectives.losses import PREFERENCE_LOSSES
from tests.settings import EXECUTION, ROOT, moved
from tests.texts import marked, written

pytestmark = [
    pytest.mark.filterwarnings("ignore:'pin_memory':UserWarning"),  # of a machine without an accelerator
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning"),
]


@pytest.fixture
def model_folder(make_model):
    from iterpref_core.nanolab.embedded_models import train_tokenizer

    program = "def total(nums):\n    kept = [n for n in nums if n > 3]\n    return sum(kept)\n"
    return make_model(train_tokenizer([f"Sum what is above 3.\n{program}", "Write f(x) that adds 1.\n"], 300))


@pytest.fixture
def run(model_folder, tmp_path, monkeypatch):
    """Runs a script on an untrained model; returns its variables."""
    import torch

    def start(name, *more):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        monkeypatch.setattr(sys, "argv", [name, str(model_folder), str(tmp_path / "out"), *more])
        torch.manual_seed(moved(0))
        return runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")

    return start


@pytest.mark.parametrize(("losses", "first"), [([], 0.6931), (["ipo"], 25.0)])  # 1 / (2 beta) squared
def test_focal_preference_training_without_the_pipeline(losses, first, run, model_folder, tmp_path):
    """The checkpoint has bfloat16 weights, as published ones do; float32 weights are trained."""
    import torch
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16).save_pretrained(model_folder)
    trainer = run("focal_dpo.py", *losses)["trainer"]
    curve = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert curve[0] == pytest.approx(first, abs=1e-4)  # policy and reference are the same model
    assert curve[-1] < curve[0]
    row = trainer.train_dataset[0]
    assert 0 < sum(trainer.data_collator.error_region(row)) < len(row["rejected_ids"])
    assert trainer.model.dtype == torch.float32
    assert (tmp_path / "out/model.safetensors").is_file()


@pytest.mark.parametrize(
    ("example", "page", "lines"), [("focal_dpo.py", "README.md", 20), ("own_objective.py", "docs/own-objective.md", 30)]
)
def test_the_script_on_a_page_is_the_example(example, page, lines):
    script = (ROOT / "examples" / example).read_text().split('"""\n\n', 1)[1]
    assert f"```python\n{script}```" in (ROOT / page).read_text()
    assert len([line for line in script.splitlines() if line]) <= lines


def test_an_objective_of_one_s_own_trains_against_its_own_region(run, tmp_path, monkeypatch):
    rejected = "def f(x):\n    y = x + 2\n    z = y\n    return z + 2\n"
    pair = {"prompt": "Add.", "chosen": rejected.replace("2", "1"), "rejected": rejected}
    monkeypatch.chdir(tmp_path)  # the values of the profile own
    with patch.dict(OBJECTIVES), patch.dict(PREFERENCE_LOSSES):
        unmarked = str(written(tmp_path / "pairs.jsonl", pair))
        script = run("own_objective.py", unmarked)
        places = [str(tmp_path / name) for name in ("other", "curve", "work")]
        with pytest.raises(InputError, match="mark the pairs that bring no rejected_spans"):
            script["train_objective"](unmarked, script["model"], "simpo", script["params"], *places)
    lineage = read_lineage(tmp_path / "out/model")
    assert (lineage.settings["loss"], lineage.settings["beta"], lineage.localization) == ("simpo", 2.0, ("first_part",))
    (trained,) = read_pairs(tmp_path / "out/pairs.jsonl")
    assert marked(rejected, trained.rejected_spans) == ["    y = x + 2"]


def test_execution_is_a_reward_of_grpo(run, tmp_path):
    found = run("grpo_reward.py")
    assert found["args"].max_steps == 2
    assert list((tmp_path / "out").glob("checkpoint-2"))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.jsonl")), ids=lambda path: path.stem)
def test_examples_of_problems_go_in_as_they_stand(path, tmp_path):
    count = len(path.read_text().splitlines())
    counts = ingest(Wanted([path]), "problems", tmp_path / "out", EXECUTION, Selection(), tmp_path / "store").counts
    assert counts["problems"] == counts["references/passed"] == count
