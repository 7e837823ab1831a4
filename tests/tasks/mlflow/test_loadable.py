"""MLflow loads a trained model from DVC's cache, whatever its folder holds by then, and takes it into its registry."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.dvc.lock import read_lock
from tasks.git.source import Source
from tasks.mlflow.command import Command
from tasks.mlflow.execution import Execution, Times
from tasks.mlflow.loadable import WEIGHTS
from tasks.mlflow.server import Server
from tasks.mlflow.snapshot import Snapshot, set_aside_files
from tasks.mlflow.sync import Sync, write_snapshot
from tests.dvc_repository import init_dvc, reproduce
from tests.once import give_mlflow_tables

CHECKPOINT, TRAINED = Path("checkpoint"), Path("models/trained/sft")


@pytest.fixture
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of DVC with one stage, which copies a checkpoint."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tasks.mlflow.sync._sync", Sync())
    copied = {"cmd": "mkdir -p models/trained && cp -r checkpoint models/trained/${key}", "deps": ["checkpoint"]}
    stage = {"foreach": {"sft": ""}, "do": copied | {"outs": ["models/trained/${key}"]}}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"training": stage}}), encoding="utf-8")
    init_dvc(no_scm=True)
    give_mlflow_tables(tmp_path_factory, tmp_path)
    return tmp_path


def write_checkpoint(seed: int) -> None:
    """A model of three tokens."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=3, **shape)).save_pretrained(CHECKPOINT)
    tokenizer = Tokenizer(BPE(vocab={"a": 0, "b": 1, "</s>": 2}, merges=[]))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>").save_pretrained(CHECKPOINT)


def train_and_record() -> Any:
    """Return MLflow's model of the training."""
    reproduce()
    locked = read_lock()["training@sft"]
    executed = Execution(stage="training@sft", locked=locked, times=Times(started=1.0, ended=2.0))
    params = {"out": locked.outs[0].md5}
    command = Command(command="iterpref run", name="run", source=Source(), params=params, tags={})
    snapshot = Snapshot(
        command=command, executions={executed.stage: executed}, status="FINISHED", started=1.0, ended=2.0
    )
    write_snapshot(snapshot, Path())
    assert set_aside_files() == []
    return Server().find_model(locked.outs[0])


def weights_of(uri: str) -> dict[str, list[float]]:
    import mlflow

    loaded = mlflow.transformers.load_model(uri, return_type="components")
    return {name: value.flatten().tolist() for name, value in loaded["model"].state_dict().items()}


def test_a_model_is_loaded_and_registered_and_stays_itself_when_its_folder_gets_another(checkout: Path) -> None:
    import mlflow
    from transformers import AutoModelForCausalLM

    write_checkpoint(1)
    first = train_and_record()
    trained = AutoModelForCausalLM.from_pretrained(TRAINED).state_dict()
    expected = {name: value.flatten().tolist() for name, value in trained.items()}
    shutil.rmtree(CHECKPOINT)
    write_checkpoint(2)
    second = train_and_record()
    assert first.model_id != second.model_id
    assert weights_of(f"models:/{first.model_id}") == expected
    assert weights_of(f"models:/{second.model_id}") != expected
    loaded = mlflow.pyfunc.load_model(f"models:/{first.model_id}")
    assert loaded.predict(["ab"])[0].startswith("ab")

    version = mlflow.register_model(f"models:/{first.model_id}", "focal").version
    mlflow.MlflowClient().set_registered_model_alias("focal", "champion", version)
    assert weights_of("models:/focal@champion") == expected

    folders = list((checkout / WEIGHTS).iterdir())
    assert len(folders) == 2
    large = [path for path in (checkout / "mlartifacts").rglob("*") if path.suffix == ".safetensors"]
    assert large == [], "MLflow has no copy of the weights"
    assert all(path.is_symlink() for folder in folders for path in folder.iterdir()), "nor has this folder"


def test_a_model_that_is_not_in_the_cache_any_more_is_not_loaded_from_elsewhere(checkout: Path) -> None:
    write_checkpoint(1)
    model = train_and_record()
    shutil.rmtree(checkout / ".dvc/cache")
    with pytest.raises((OSError, ValueError), match=WEIGHTS.name):
        weights_of(f"models:/{model.model_id}")


def test_adapters_and_a_name_on_the_hub_stay_pointers(checkout: Path) -> None:
    CHECKPOINT.mkdir()
    (CHECKPOINT / "adapter_config.json").write_text("{}", encoding="utf-8")
    model = train_and_record()
    assert model.tags["mlflow.model.isExternal"] == "true"
    assert not (checkout / WEIGHTS).exists()
