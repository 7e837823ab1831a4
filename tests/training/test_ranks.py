"""Training in several processes, on this machine's cores: what `accelerate launch` does with GPUs, over gloo."""

import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import ClusterConfig
from accelerate.commands.launch import launch_command_parser
from safetensors.torch import load_file

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError, InputError
from iterpref_core.objectives.objectives import ObjectiveName
from iterpref_core.progress import watched_progress
from iterpref_core.training import rank_main as worker
from iterpref_core.training.ranks import accumulation_steps, sharding
from iterpref_core.training.training import train_objective
from tests.settings import ROOT

Inputs = tuple[Path, Path, Path]

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
def inputs(pairs_file: Path, spans_file: Path, model_folder: Path) -> Inputs:
    return pairs_file, spans_file, model_folder


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


def _train(
    folder: Path, inputs: Inputs, objective: ObjectiveName, params: TrainingParams
) -> tuple[dict[str, float], list[dict[str, str]], dict[str, torch.Tensor], list[tuple[str, int, int]]]:
    """Metrics, curve, weights, and what was told while training ran: logged steps, and progress."""
    told: list[tuple[str, int, int]] = []
    paths = folder / "out", folder / "curve.csv", folder / "work"
    with watched_progress(lambda *progress: told.append(progress) if progress[0].startswith("train") else None):
        metrics = train_objective(
            *inputs, objective, params, *paths, lambda _metrics, step: told.append(("logged", step, step))
        )
    with paths[1].open() as file:
        return metrics, list(csv.DictReader(file)), load_file(paths[0] / "model.safetensors"), told


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_two_processes_train_what_one_does(
    tmp_path: Path, inputs: Inputs, params: TrainingParams, port: int, lora_rank: int
) -> None:
    """With FSDP2, all weights or LoRA: losses, weights and what is written."""
    fsdp = yaml.safe_load((CONFIGURATIONS / "fsdp2.yaml").read_text(encoding="utf-8"))["fsdp_config"]
    own = params.model_copy(update={"micro_batch_size": 1, "epochs": 3, "lora_rank": lora_rank})
    one = _train(tmp_path / "one", inputs, "target-rpo", own)
    two = _train(
        tmp_path / "two", inputs, "target-rpo", _in_two(own, tmp_path, port, distributed_type="FSDP", fsdp_config=fsdp)
    )
    assert two[0] == pytest.approx(one[0], rel=1e-4, abs=1e-6)
    assert two[3] == one[3]
    assert {label for label, _, _ in two[3]} == {"logged", "train target-rpo"}
    for row, like in zip(two[1], one[1], strict=True):
        assert {k: float(v) for k, v in row.items()} == pytest.approx({k: float(v) for k, v in like.items()}, rel=1e-4)
    assert two[2].keys() == one[2].keys()
    for name, weight in one[2].items():
        torch.testing.assert_close(two[2][name], weight, atol=1e-5, rtol=1e-4, msg=name)
    assert not list((tmp_path / "two" / "work" / "checkpoints").iterdir())


@pytest.mark.faults
def test_two_machines_train_what_one_process_does(
    tmp_path: Path, inputs: Inputs, params: TrainingParams, port: int
) -> None:
    """Each is a process of its own script on loopback; they meet by address and port alone, as machines do.

    The objective needs the same order of pairs in both processes.
    """
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


def test_an_error_in_the_processes_is_the_one_of_this_one(
    tmp_path: Path,
    inputs: Inputs,
    params: TrainingParams,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a worker says that is told here that it is one of two; and how this process understands it."""
    paths = dict(zip(("pairs", "spans", "model"), inputs, strict=True))
    paths |= {name: tmp_path / name for name in ("out", "curve", "work")}
    request = {"objective": "dpo", "params": params.model_dump(mode="json"), "prompt": "auto"}
    with monkeypatch.context() as patch:
        patch.setattr("iterpref_core.training.training.accumulation_steps", lambda own, _: accumulation_steps(own, 2))
        patch.setenv("RANK", "1")  # where nobody else would hear of it
        patch.setattr(sys, "argv", ["worker", json.dumps(request | {name: str(path) for name, path in paths.items()})])
        worker.main()
    said, launcher = tmp_path / "said", tmp_path / "python"
    said.write_text("from a library\n" + capsys.readouterr().out)
    launcher.write_text(f"#!/bin/sh\ncat '{said}'\nexec sleep 600\n")  # as processes that wait for one that ended
    launcher.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(launcher))
    monkeypatch.setattr("iterpref_core.training.launch._GRACE_S", 0.1)
    with pytest.raises(InputError, match=r"training\.micro_batch_size = 4 x 2 processes = 8; change one of them"):
        _train(tmp_path, inputs, "dpo", _in_two(params, tmp_path, 1, distributed_type="MULTI_GPU"))
    assert "from a library" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_knows_every_setting_of_the_configurations(path: Path) -> None:
    loaded = ClusterConfig.from_yaml_file(str(path))
    assert loaded.num_processes == 8
    options = {action.dest for action in launch_command_parser()._actions}
    options |= {field.name for field in fields(ClusterConfig)}
    nested = {**(loaded.fsdp_config or {}), **(loaded.deepspeed_config or {})}
    assert nested
    assert set(nested) <= options


def test_what_accelerate_cannot_start_is_said_before(
    tmp_path: Path, inputs: Inputs, params: TrainingParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iterpref_core.training.launch.find_spec", lambda name: None)
    for name, message in (
        (str(CONFIGURATIONS / "zero3.yaml"), r"DeepSpeed is not installed; run `pip install -e"),
        (str(tmp_path / "absent.yaml"), r"training\.accelerate: .*absent\.yaml cannot be read .*name one of"),
    ):
        with pytest.raises(ConfigError, match=message):
            _train(tmp_path, inputs, "dpo", params.model_copy(update={"accelerate": name}))


def test_checkpoints_of_other_processes_are_not_resumed_from(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, eight = SimpleNamespace(num_processes=1), SimpleNamespace(num_processes=8)
    assert sharding(alone) == ""
    assert sharding(eight) == "-8"
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert sharding(eight) == "-fsdp-8"
