"""Training in several processes, on this machine's cores: what `accelerate launch` does with GPUs, over gloo."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import chdir, contextmanager
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate.commands.config.config_args import ClusterConfig
from accelerate.commands.launch import launch_command_parser

from iterpref_core.records import ConfigError, InputError, read_yaml
from iterpref_core.training.launch import start_processes
from iterpref_core.training.model.ranks import join_processes, launched_precision, sharding
from tasks.mlflow.server import Server
from tests.dvc_repository import init_dvc
from tests.once import give_mlflow_tables
from tests.settings import PARAMS, ROOT, changed

from .conftest import read_curve, read_weights

CONFIGURATIONS = ROOT / "config/accelerate"
MACHINES = CONFIGURATIONS / "machines.sh"
TWO_PROCESSES = {
    "compute_environment": "LOCAL_MACHINE",
    "num_processes": 2,
    "num_machines": 1,
    "machine_rank": 0,
    "mixed_precision": "no",
    "use_cpu": True,
}


@pytest.fixture(scope="module")
def port():
    """A port for processes to meet at, held, so that no other process is given it; skips where this machine refuses."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", 0))
        except OSError as error:
            pytest.skip(f"no process group can start here: {error}")
        yield held.getsockname()[1]


def _in_two(params, folder, port, **configuration):
    """Write the settings of a training in two processes, and return the path of accelerate's own."""
    path = folder / "accelerate.yaml"
    path.write_text(json.dumps({**TWO_PROCESSES, "main_process_port": port, **configuration}))
    every = changed(PARAMS, training=changed(params, accelerate=str(path), micro_batch_size=1))
    (folder / "params.yaml").write_text(json.dumps(every.model_dump(mode="json")))
    return str(path)


def _at_start(folder, monkeypatch, code):
    """Have every Python process that is started from here run some code first."""
    (folder / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")


@contextmanager
def printing(path):
    """Have this process and its children print into a file."""
    before = os.dup(1)
    with path.open("w") as file:
        os.dup2(file.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(before, 1)
            os.close(before)


SEVERAL_TRAININGS = """
import json
import os
from pathlib import Path
if "LOCAL_RANK" in os.environ:
    from transformers import PreTrainedModel
    from iterpref_core.training.trainer import train_objective as training
    load, train = PreTrainedModel.from_pretrained.__func__, training.train_objective
    folder = Path(os.environ["TRAININGS"])
    running = None
    def counted(kind, *args, **options):
        model = load(kind, *args, **options)
        whole = model[0] if isinstance(model, tuple) else model
        if any(not weight.is_meta for weight in whole.parameters()):
            with (folder / f"models-{running}").open("a") as file:
                file.write(os.environ["RANK"] + "\\n")
        return model
    def train_several(params, **options):
        global running
        results = {}
        for running, settings in json.loads((folder / "settings.json").read_text()).items():
            places = {"out": "out", "curve": "curve.csv", "scratch": "work"}
            options |= {place: folder / running / name for place, name in places.items()}
            results[running] = train(params=params.model_copy(update=settings), **options)
        if os.environ["RANK"] == "0":
            (folder / "metrics.json").write_text(
                json.dumps({name: result.metrics() for name, result in results.items()})
            )
        return results["all weights"]
    PreTrainedModel.from_pretrained = classmethod(counted)
    training.train_objective = train_several
"""
"""Code that trains with several settings in the processes of one launch: to start them takes far longer."""
SHARDED = {
    "all weights": {},
    "LoRA": {"lora": {"r": 4}},
    "bfloat16": {"bf16": True, "epochs": 1},
}


@pytest.fixture(scope="module")
def sharded(pairs_file, model_folder, params, port, tmp_path_factory):
    """A folder of the trainings of `SHARDED` in two processes with FSDP2; skips where this machine lets none meet."""
    folder = tmp_path_factory.mktemp("sharded")
    fsdp = read_yaml(CONFIGURATIONS / "fsdp2.yaml")["fsdp_config"]
    (folder / "settings.json").write_text(json.dumps(SHARDED))
    two = _in_two(params, folder, port, distributed_type="FSDP", fsdp_config=fsdp)
    files = ("--pairs", str(pairs_file), "--model", str(model_folder), "--out", "not written")
    with pytest.MonkeyPatch.context() as patched, chdir(folder), printing(folder / "printed"):
        _at_start(folder, patched, SEVERAL_TRAININGS)
        patched.setenv("TRAININGS", str(folder))
        start_processes(two, ["-m", "iterpref_core.cli", "train", "--json", "--objective", "target-rpo", *files])
    _, _, result = ("\n" + (folder / "printed").read_text()).rpartition("\n{\n")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert json.loads("{" + result) == metrics["all weights"], "the launcher hands on what the first process returns"
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["all weights", "LoRA"])
def test_two_processes_train_what_one_does_and_the_weights_are_loaded_once(name, tmp_path, train, sharded):
    """With FSDP2: losses, weights and what is written."""
    one = train("one", "target-rpo", micro_batch_size=1, **SHARDED[name])
    assert sorted((sharded / f"models-{name}").read_text().split()) == ["0", "0", "1"], (
        "one model in each process, which has a part of it; and the base once more in the first, which measures how "
        "much of the change survives rounding when the trained weights are written"
    )
    assert json.loads((sharded / "metrics.json").read_text())[name] == pytest.approx(one, rel=1e-4, abs=1e-6)
    for row, like in zip(read_curve(sharded / name), read_curve(tmp_path / "one"), strict=True):
        assert {k: float(v) for k, v in row.items()} == pytest.approx({k: float(v) for k, v in like.items()}, rel=1e-4)
    torch.testing.assert_close(read_weights(sharded / name), read_weights(tmp_path / "one"), atol=1e-5, rtol=1e-4)
    assert not list((sharded / name / "work" / "checkpoints").iterdir())


@pytest.mark.slow
def test_sharded_training_in_bfloat16_keeps_the_precision_of_log_probabilities(train, sharded):
    """FSDP2 would round them to bfloat16, and the reference could not be written."""
    one = train("one", "target-rpo", micro_batch_size=1, **SHARDED["bfloat16"])
    two = json.loads((sharded / "metrics.json").read_text())["bfloat16"]
    assert two["loss"] == pytest.approx(one["loss"], rel=0.01)
    (reference,) = (sharded / "bfloat16" / "work" / "reference").glob("*.npy")
    scores = torch.from_numpy(np.load(reference))
    assert (scores != scores.bfloat16().float()).any()


FAIL_AT_THE_REFERENCE = """
import os
if os.environ.get("RANK") == "1":
    from iterpref_core.records.errors import InputError
    from iterpref_core.training.model import reference
    def fail(*args, **options):
        raise InputError("pairs.jsonl: this process cannot go on")
    reference.score_rows = fail
"""


STAGES = {
    "training": {
        "foreach": ["dpo"],
        "do": {
            "cmd": "python -m flows.stage training ${item}",
            "deps": ["data/focal.jsonl", "models/student"],
            "params": ["training"],
            "outs": ["models/trained/${item}"],
            "metrics": ["metrics/training/${item}.json", "metrics/training/${item}.curve.csv"],
        },
    }
}


@pytest.mark.slow
def test_a_stage_of_several_processes_has_one_record_with_the_error_of_the_one_that_failed(
    tmp_path, tmp_path_factory, inputs, params, port, monkeypatch
):
    """The other process waits in a collective operation, which by itself would last two hours."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_ROOT", "ITERPREF_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    give_mlflow_tables(tmp_path_factory, tmp_path)
    init_dvc(no_scm=True)
    Path("data").mkdir()
    shutil.copy2(inputs[0], "data/focal.jsonl")
    shutil.copytree(inputs[1], "models/student")
    Path("dvc.yaml").write_text(json.dumps({"stages": STAGES}))
    _in_two(params, tmp_path, port, distributed_type="MULTI_GPU")

    _at_start(tmp_path, monkeypatch, FAIL_AT_THE_REFERENCE)
    command = [sys.executable, "-m", "flows.stage", "training", "dpo"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert refused.returncode == 2
    said = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert said == ["error: pairs.jsonl: this process cannot go on"]
    assert not Path("models/trained/dpo").exists()
    server = Server()
    (failed,) = server.client.search_runs([server.experiment_id], "attributes.status = 'FAILED'")
    assert said[0].removeprefix("error: ") in failed.data.tags["mlflow.note.content"]


def test_an_error_of_the_only_process_is_the_run_s(tmp_path):
    """accelerate starts one process without torch elastic, which would keep the message."""
    configuration = tmp_path / "one.yaml"
    configuration.write_text(json.dumps(TWO_PROCESSES | {"num_processes": 1, "distributed_type": "NO"}))
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(2)")
    with pytest.raises(InputError, match="a process ended with exit code 2"):
        start_processes(str(configuration), [str(script)])


def test_the_signals_of_this_process_are_its_own_again_when_the_others_have_ended(params, tmp_path, port):
    script = tmp_path / "script.py"
    script.write_text("")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    start_processes(_in_two(params, tmp_path, port, distributed_type="MULTI_GPU"), [str(script)])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_machine_that_does_not_know_the_others_says_what_is_missing():
    done = subprocess.run(
        ["sh", str(MACHINES)],
        env={"PATH": os.environ["PATH"], "MACHINES": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.split(";")[0]) == (2, "error: RANK is not set")


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_knows_every_setting_of_the_configurations(path):
    loaded = ClusterConfig.from_yaml_file(str(path))
    assert loaded.num_processes == 8
    options = {action.dest for action in launch_command_parser()._actions}
    options |= {field.name for field in fields(ClusterConfig)}
    nested = {**(loaded.fsdp_config or {}), **(loaded.deepspeed_config or {})}
    assert nested
    assert set(nested) <= options


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not there; name one of"),
        ("- 2", "has no num_processes above 0; name one of"),
        ("num_processes: two", "has no num_processes above 0; name one of"),
        ("num_processes: 0", "has no num_processes above 0; name one of"),
        ("num_processes: 2", r".*distributed_type. must be specified"),
        ("{num_processes: 2, distributed_type: MULTI_GPU, procs: 3}", r".*unknown keys \(\['procs'\]\)"),
    ],
)
def test_a_configuration_that_accelerate_does_not_take_is_said_before(text, said, tmp_path):
    path = tmp_path / "two.yaml"
    if text:
        path.write_text(text)
    with pytest.raises(ConfigError, match=rf"training\.accelerate: {path}:? {said}"):
        start_processes(str(path), ["script.py"])


def test_one_process_where_several_are_asked_for_is_refused(tmp_path, monkeypatch):
    """As of a configuration for CPUs that `accelerate config` writes: without mpirun accelerate starts one process."""
    monkeypatch.setenv("ITERPREF_LAUNCHED", "1")
    path = tmp_path / "cpus.yaml"
    path.write_text(json.dumps(TWO_PROCESSES | {"distributed_type": "MULTI_CPU"}))
    with pytest.raises(ConfigError, match="asks for 2 processes, and accelerate has started 1; on CPUs set"):
        join_processes(str(path))


def test_checkpoints_of_other_processes_are_not_resumed_from(monkeypatch):
    alone, eight = SimpleNamespace(num_processes=1), SimpleNamespace(num_processes=8)
    assert sharding(alone) == ""
    assert sharding(eight) == "-8"
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert sharding(eight) == "-fsdp-8"


def test_the_launcher_decides_the_precision_of_policy_and_reference(train, monkeypatch, tmp_path):
    for launched, bf16, expected in (("no", False, False), ("no", True, True), ("bf16", False, True)):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
        assert launched_precision(bf16=bf16) == expected
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    with pytest.raises(ConfigError, match=r"^accelerate: mixed_precision is fp16, .*training\.bf16 decides"):
        train("run", "dpo")
    assert list(tmp_path.iterdir()) == [], "nothing was computed"
