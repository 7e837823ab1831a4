"""Run a vLLM server for the length of a `with` block, in an environment of its own."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx2

from iterpref_core.records import KEY_VARIABLE, EndpointError, ModelError
from iterpref_core.storage.state_folder import WORK

from ..pretrained.checkpoints import ModelSource, locate_model, read_config
from .backend import BackendSettings, Model

PYTHON_VARIABLE = "ITERPREF_VLLM_PYTHON"
ARGUMENTS_VARIABLE = "ITERPREF_VLLM_ARGUMENTS"
SERVED_NAME = "iterpref"

_LOOPBACK = "127.0.0.1"
_ENVIRONMENT = Path(".venv-vllm/bin/python")
_POLL_S = 0.3
# Variables that would lead the server to our packages, or make it ask for a key, and a key that it has no use for.
_NOT_INHERITED = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "VLLM_API_KEY", KEY_VARIABLE}
_DEFAULTS = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB, without a GPU
    "VLLM_MAX_STOP_STRINGS": "64",  # else four, and HumanEval's prompts are sent with eleven end strings
}
_GUARD = """
import contextlib, ctypes, os, signal, subprocess, sys, time

def kill(*_):
    os.killpg(server.pid, signal.SIGKILL)
    sys.exit()

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: a worker whose own parent has died becomes its child
server = subprocess.Popen(sys.argv[2:], process_group=0)
try:
    while server.poll() is None and os.getppid() == int(sys.argv[1]):
        time.sleep(0.2)
    status = server.returncode or 0
    sys.exit(status if status >= 0 else 128 - status)
finally:
    signal.signal(signal.SIGALRM, kill)
    signal.alarm(10)
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.killpg(server.pid, signal.SIGTERM)
        while True:
            os.wait()
"""
"""A program that runs a server, and ends it with all that it started, on SIGTERM or as soon as its client is gone. A
client that is killed with SIGKILL cannot end its server, and a parent-death signal would end the server without its
workers."""


def find_vllm() -> Path:
    """Return the Python of vLLM's environment: `ITERPREF_VLLM_PYTHON`, else the Python of `make vllm`.

    Raises:
        ModelError: vLLM is not installed.
    """
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        if os.access(named, os.X_OK):
            # Not resolved: an environment's Python is a link to another one.
            return Path(named).absolute()
        raise ModelError(f"{PYTHON_VARIABLE}={named}: no such program; correct it, or unset it and run `make vllm`")
    # Also next to our own environment: `dvc exp run --temp` runs in a copy that has neither.
    for folder in (Path.cwd(), Path(sys.prefix).parent):
        if os.access(folder / _ENVIRONMENT, os.X_OK):
            return folder / _ENVIRONMENT
    raise ModelError(
        f"inference.backend vllm: its environment is absent ({_ENVIRONMENT}); run `make vllm`, "
        f"or name the Python of one in {PYTHON_VARIABLE}"
    )


@contextmanager
def serve(model: Path | str, logs: Path = WORK) -> Iterator[str]:
    """Serve a model on a free port of the loopback interface, under the name `SERVED_NAME`.

    The server ends with the block, or with this process, however that ends.

    Args:
        model: a checkpoint folder, a stage's folder that points at one, or a hub id.
        logs: folder for a file with the server's output.

    Yields:
        The base URL of its OpenAI API.

    Raises:
        ModelError: vLLM is not installed, or cannot serve the model.
        EndpointError: the server ended while it was in use.
    """
    source = locate_model(model)
    if source.adapters is not None:
        raise ModelError(
            f"{model}: vLLM is given whole models, and this is a folder of adapters; merge them with `iterpref export "
            "--model FOLDER --out NEW` and name NEW, or set the backend to transformers"
        )
    python = find_vllm()
    with socket.socket() as holder:
        # While this socket holds the port, no other process is given it. It does not listen, so the server can, by
        # SO_REUSEADDR, which vLLM sets too.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((_LOOPBACK, 0))
        port = holder.getsockname()[1]
        log = logs / f"vllm-{port}.log"
        server = _start(_command(python, source, port), log)
        print(f"{model}: vLLM starts; its log is {log}", file=sys.stderr, flush=True)
        try:
            while not _is_healthy(port):
                if server.poll() is not None:
                    raise ModelError(f"{model}: vLLM did not start: {_reason(server, log)}")
                time.sleep(_POLL_S)
            yield f"http://{_LOOPBACK}:{port}/v1"
        except EndpointError as error:
            if server.poll() is None:
                raise
            raise EndpointError(
                f"{model}: the vLLM server ended: {_reason(server, log)}; everything received is kept: run the same "
                "command again to continue"
            ) from error
        finally:
            server.terminate()
            server.wait()


def _command(python: Path, source: ModelSource, port: int) -> list[str]:
    folder = Path(source.name_or_path)
    model = str(folder.resolve()) if folder.is_dir() else source.name_or_path
    command = [str(python), "-P", "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", model, "--served-model-name", SERVED_NAME]
    command += ["--host", _LOOPBACK, "--port", str(port)]
    command += ["--enable-prefix-caching", "--disable-uvicorn-access-log", "--max-model-len", "auto"]
    if source.revision:
        command += ["--revision", source.revision, "--tokenizer-revision", source.revision]
    if not shutil.which("nvidia-smi"):
        # On a CPU vLLM would compile the model with the machine's C++ compiler, each time that it meets a new one.
        command += ["--enforce-eager"]
    # As in this process, which shares the stored answers: vLLM halves float32, and obeys a checkpoint's top-p.
    command += ["--tokenizer-mode", "hf", "--generation-config", "vllm"]
    saved = read_config(str(source)).dtype
    if saved:
        command += ["--dtype", str(saved).removeprefix("torch.")]
    command += shlex.split(os.environ.get(ARGUMENTS_VARIABLE, ""))
    return command


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-c", _GUARD, str(os.getpid()), *command],
            env=_DEFAULTS | inherited,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _is_healthy(port: int) -> bool:
    # Without the environment, whose proxy does not lead to this machine.
    try:
        return httpx2.get(f"http://{_LOOPBACK}:{port}/health", timeout=3, trust_env=False).is_success
    except httpx2.HTTPError:
        return False


def _reason(server: subprocess.Popen[bytes], log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "nothing"
    killed = " (killed, as where memory runs out)" if server.returncode == 137 else ""
    return f"exit status {server.returncode}{killed}; {log} ends with: {last}"


def open_backend(settings: BackendSettings) -> AbstractContextManager[Model]:
    """Return a block with a checkpoint at a server of its own; a missing vLLM is an error at once."""
    find_vllm()
    return _serve_backend(settings)


@contextmanager
def _serve_backend(settings: BackendSettings) -> Iterator[Model]:
    from .openai_model import OpenAIModel
    from .served_tokens import ServedTokens

    tokens = ServedTokens(settings.model, settings.prompt)
    with serve(settings.model) as base_url:
        # The server gets token ids and adds none: prompts are rendered here, as for a model in this process.
        here = settings.inference.model_copy(update={"base_url": base_url, "api": "completions"})
        yield OpenAIModel(SERVED_NAME, here, tokens)
