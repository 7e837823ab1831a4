"""Training in several processes, on this machine's cores: what `accelerate launch` does with GPUs, over gloo."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml

from iterpref_core.config import TrainingParams, load_params
from iterpref_core.errors import ConfigError, InputError
from iterpref_core.objectives.objective_table import ObjectiveName
from tasks.launch import launch_training
from tests.settings import ROOT

from .conftest import Inputs, read_curve, read_weights

if TYPE_CHECKING:
    import torch

CONFIGURATIONS = ROOT / "accelerate_configs"
MACHINES = CONFIGURATIONS / "machines.sh"
TWO_PROCESSES = {
    "compute_environment": "LOCAL_MACHINE",
    "num_processes": 2,
    "num_machines": 1,
    "machine_rank": 0,
    "mixed_precision": "no",
    "use_cpu": True,
}


@pytest.fixture
def port() -> Iterator[int]:
    """A port for processes to meet at, that nobody else is given meanwhile; skips where this machine lets none meet."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", 0))
        except OSError as error:
            pytest.skip(f"no process group can start here: {error}")
        yield held.getsockname()[1]


def _in_two(params: TrainingParams, folder: Path, port: int, **configuration: object) -> TrainingParams:
    """Settings that train in two processes."""
    path = folder / "accelerate.yaml"
    path.write_text(yaml.safe_dump({**TWO_PROCESSES, "main_process_port": port, **configuration}))
    return params.model_copy(update={"accelerate": str(path)})


def _at_start(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have every Python process that is started from here run some code first."""
    (folder / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def _train(
    folder: Path, inputs: Inputs, objective: ObjectiveName, params: TrainingParams
) -> tuple[dict[str, float], list[dict[str, str]], dict[str, torch.Tensor], dict[int, dict[str, float]]]:
    """Metrics, curve, weights, and what was told while training ran."""
    from iterpref_core.training.training import train_objective

    told: dict[int, dict[str, float]] = {}
    places = {"out": folder / "out", "curve": folder / "curve.csv", "scratch": folder / "work"}

    def tell(numbers: dict[str, float], step: int) -> None:
        told.setdefault(step, {}).update(numbers)

    if params.accelerate:
        files = dict(zip(("pairs", "spans", "model"), inputs, strict=True))
        every = load_params(ROOT / "params.yaml").model_copy(update={"training": params})
        metrics = launch_training(files | places | {"objective": objective}, every, places["curve"], tell)
    else:
        metrics = train_objective(*inputs, objective, params, *places.values(), tell)
    return metrics, read_curve(folder), read_weights(folder), told


COUNT_MODELS = """
import os
if "LOCAL_RANK" in os.environ:
    from transformers import PreTrainedModel
    plain = PreTrainedModel.from_pretrained.__func__
    def counted(kind, *args, **options):
        model = plain(kind, *args, **options)
        model = model if isinstance(model, tuple) else (model,)
        held = sum(not weight.is_meta for weight in model[0].parameters())
        with open(os.environ["MODELS"], "a") as file:
            file.write(os.environ["RANK"] + "\\n" if held else "")
        return model if len(model) > 1 else model[0]
    PreTrainedModel.from_pretrained = classmethod(counted)
"""


@pytest.mark.slow
@pytest.mark.parametrize("lora", [None, {"r": 4}])
def test_two_processes_train_what_one_does_and_the_weights_are_loaded_once(
    tmp_path: Path,
    inputs: Inputs,
    params: TrainingParams,
    port: int,
    lora: dict[str, int] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With FSDP2, all weights or LoRA: losses, weights and what is written."""
    import torch

    fsdp = yaml.safe_load((CONFIGURATIONS / "fsdp2.yaml").read_text(encoding="utf-8"))["fsdp_config"]
    own = params.model_copy(update={"micro_batch_size": 1, "epochs": 3, "lora": lora})
    one = _train(tmp_path / "one", inputs, "target-rpo", own)
    _at_start(tmp_path, monkeypatch, COUNT_MODELS)
    monkeypatch.setenv("MODELS", str(tmp_path / "models"))
    two = _train(
        tmp_path / "two", inputs, "target-rpo", _in_two(own, tmp_path, port, distributed_type="FSDP", fsdp_config=fsdp)
    )
    assert sorted((tmp_path / "models").read_text().split()) == ["0", "0", "1"], (
        "one model in each process, of which it has a part; and the base once more in the first, which measures how "
        "much of the change survives rounding when the trained weights are written"
    )
    assert two[0] == pytest.approx(one[0], rel=1e-4, abs=1e-6)
    assert two[3].keys() == one[3].keys()
    for step, numbers in one[3].items():
        assert two[3][step] == pytest.approx(numbers, rel=1e-4, abs=1e-6)
    for row, like in zip(two[1], one[1], strict=True):
        assert {k: float(v) for k, v in row.items()} == pytest.approx({k: float(v) for k, v in like.items()}, rel=1e-4)
    assert two[2].keys() == one[2].keys()
    for name, weight in one[2].items():
        torch.testing.assert_close(two[2][name], weight, atol=1e-5, rtol=1e-4, msg=name)
    assert not list((tmp_path / "two" / "work" / "checkpoints").iterdir())


@pytest.mark.slow
def test_sharded_training_in_bfloat16_keeps_the_precision_of_log_probabilities(
    tmp_path: Path, inputs: Inputs, params: TrainingParams, port: int
) -> None:
    """FSDP2 would round them to bfloat16, and the reference could not be written."""
    import torch

    fsdp = yaml.safe_load((CONFIGURATIONS / "fsdp2.yaml").read_text(encoding="utf-8"))["fsdp_config"]
    own = params.model_copy(update={"micro_batch_size": 1, "epochs": 1, "bf16": True})
    one = _train(tmp_path / "one", inputs, "target-rpo", own)
    two = _train(
        tmp_path / "two", inputs, "target-rpo", _in_two(own, tmp_path, port, distributed_type="FSDP", fsdp_config=fsdp)
    )
    assert two[0]["loss"] == pytest.approx(one[0]["loss"], rel=0.01)
    (reference,) = (tmp_path / "two" / "work" / "reference").glob("*.npy")
    scores = torch.from_numpy(np.load(reference))
    assert (scores != scores.bfloat16().float()).any()


FAIL_AT_THE_REFERENCE = """
import os
if os.environ.get("RANK") == "1":
    from iterpref_core.errors import InputError
    from iterpref_core.training.model import reference
    def fail(*args, **options):
        raise InputError("pairs.jsonl: this process cannot go on")
    reference.score_batch = fail
"""


@pytest.mark.slow
def test_an_error_of_one_process_ends_those_that_wait_for_it_and_is_the_run_s(
    tmp_path: Path, inputs: Inputs, params: TrainingParams, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process waits in a collective operation, which by itself would last two hours."""
    _at_start(tmp_path, monkeypatch, FAIL_AT_THE_REFERENCE)
    two = _in_two(params.model_copy(update={"micro_batch_size": 1}), tmp_path, port, distributed_type="MULTI_GPU")
    with pytest.raises(InputError, match=r"^pairs\.jsonl: this process cannot go on$"):
        _train(tmp_path, inputs, "dpo", two)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_two_machines_train_what_one_process_does(
    tmp_path: Path, inputs: Inputs, params: TrainingParams, port: int
) -> None:
    """Each is a process of its own script on loopback; they meet by address and port alone, as machines do.

    The objective needs the same order of pairs in both processes.
    """
    import torch
    from safetensors.torch import load_file

    own = params.model_copy(update={"micro_batch_size": 1})
    one = _train(tmp_path / "one", inputs, "hybrid-rpo", own)
    two = _in_two(own, tmp_path, port, distributed_type="MULTI_GPU")
    assert two.accelerate is not None
    every = yaml.safe_load((ROOT / "params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(every | {"training": own.model_dump(mode="json")}))
    names = zip(("pairs", "spans", "model"), inputs, strict=True)
    options = [part for name, path in names for part in (f"--{name}", str(path))]
    options += ["--objective", "hybrid-rpo", "--out", str(tmp_path / "two")]
    where = {
        "MACHINES": "2", "HOST": "127.0.0.1", "PORT": str(port), "PROCESSES": "1",
        "CONFIG": two.accelerate, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    machines = [
        subprocess.Popen(
            ["sh", str(MACHINES), *options, "--json"], cwd=tmp_path, env=os.environ | where | {"RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in (1, 0)
    ]  # fmt: skip
    said = [machine.communicate(timeout=240) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    assert '"steps"' not in said[0][0]
    assert json.loads(said[1][0]) == pytest.approx(one[0], rel=1e-4, abs=1e-6)
    weights = load_file(tmp_path / "two" / "model.safetensors")
    assert weights.keys() == one[2].keys()
    for name, weight in one[2].items():
        torch.testing.assert_close(weights[name], weight, atol=1e-5, rtol=1e-4, msg=name)


def test_a_machine_that_does_not_know_the_others_says_what_is_missing() -> None:
    done = subprocess.run(
        ["sh", str(MACHINES)],
        env={"PATH": os.environ["PATH"], "MACHINES": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.split(";")[0]) == (2, "error: RANK is not set")


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_knows_every_setting_of_the_configurations(path: Path) -> None:
    from accelerate.commands.config.config_args import ClusterConfig
    from accelerate.commands.launch import launch_command_parser

    loaded = ClusterConfig.from_yaml_file(str(path))
    assert loaded.num_processes == 8
    options = {action.dest for action in launch_command_parser()._actions}
    options |= {field.name for field in fields(ClusterConfig)}
    nested = {**(loaded.fsdp_config or {}), **(loaded.deepspeed_config or {})}
    assert nested
    assert set(nested) <= options


def test_a_configuration_that_is_not_there_is_said_before(
    tmp_path: Path, inputs: Inputs, params: TrainingParams
) -> None:
    with pytest.raises(ConfigError, match=r"training\.accelerate: .*absent\.yaml is not there; name one of"):
        _train(tmp_path, inputs, "dpo", params.model_copy(update={"accelerate": str(tmp_path / "absent.yaml")}))


def test_a_process_that_nobody_has_started_beside_others_does_not_train_alone(
    tmp_path: Path, inputs: Inputs, params: TrainingParams
) -> None:
    """The library's own function starts no process."""
    from iterpref_core.training.training import train_objective

    several = params.model_copy(update={"accelerate": "two.yaml"})
    with pytest.raises(ConfigError, match=r"training\.accelerate: two\.yaml describes several processes, and this is"):
        train_objective(*inputs, "dpo", several, tmp_path / "out", tmp_path / "curve.csv", tmp_path / "work")


def test_checkpoints_of_other_processes_are_not_resumed_from(monkeypatch: pytest.MonkeyPatch) -> None:
    from iterpref_core.training.model.ranks import sharding

    alone, eight = SimpleNamespace(num_processes=1), SimpleNamespace(num_processes=8)
    assert sharding(alone) == ""
    assert sharding(eight) == "-8"
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert sharding(eight) == "-fsdp-8"
