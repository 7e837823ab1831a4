"""vLLM server for the length of a `with` block: started in an environment of its own, ended with its workers."""

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iterpref_core.config import KEY_VARIABLE, Api, PromptStyle
from iterpref_core.errors import EndpointError, ModelError
from iterpref_core.inference.local.checkpoints import ModelSource, locate_model, read_config
from iterpref_core.inference.vllm.server_guard import SIGNALLED
from iterpref_core.progress import show_progress

PYTHON_VARIABLE = "ITERPREF_VLLM_PYTHON"
ARGUMENTS_VARIABLE = "ITERPREF_VLLM_ARGUMENTS"
SERVED_NAME = "iterpref"
START_TIMEOUT_S = 3600.0
"""Weights of tens of gigabytes take long from a network drive; a server that fails is noticed at once."""

LOGS = Path(".iterpref/work")

_LOOPBACK = "127.0.0.1"
_ENVIRONMENT = Path(".venv-vllm/bin/python")
_GUARD = Path(__file__).with_name("server_guard.py")
_POLL_S = 0.3
_SHOW_S = 1.0
# What would lead the server to our packages, or make it ask for a key, and a key that is none of its business.
_NOT_INHERITED = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "VLLM_API_KEY", KEY_VARIABLE}
_DEFAULTS = {"VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "2"}  # GiB, where there is no GPU
_FIND_VERSION = """
from importlib import metadata
names = [name for name in ("vllm-cpu", "vllm") if any(metadata.distributions(name=name))]
print(*(f"{name} {metadata.version(name)}" for name in names[:1]))
"""


def find_vllm() -> Path:
    """The Python of vLLM's environment: `ITERPREF_VLLM_PYTHON`, else what `make vllm` made.

    Raises:
        ModelError: there is none.
    """
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        if os.access(named, os.X_OK):
            return Path(named).absolute()  # not resolved: an environment's Python is a link to another one
        raise ModelError(f"{PYTHON_VARIABLE}={named}: no such program; correct it, or unset it and run `make vllm`")
    # Beside our own environment too: `dvc exp run --temp` runs in a copy that has neither.
    for folder in (Path.cwd(), Path(sys.prefix).parent):
        if os.access(folder / _ENVIRONMENT, os.X_OK):
            return folder / _ENVIRONMENT
    raise ModelError(
        f"inference.backend vllm: its environment is absent ({_ENVIRONMENT}); run `make vllm`, "
        f"or name the Python of one in {PYTHON_VARIABLE}"
    )


def vllm_version(python: Path) -> str:
    """The package and version in an environment, such as `vllm-cpu 0.32.0`.

    Raises:
        ModelError: vLLM is not in it.
    """
    found = subprocess.run(
        [python, "-I", "-c", _FIND_VERSION], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not found:
        raise ModelError(f"{python}: vLLM is not installed there; run `make vllm`, or correct {PYTHON_VARIABLE}")
    return found


def served_api(model: Path | str, prompt: PromptStyle = "auto") -> Api:
    """How a served model is asked, so that it reads what it reads in this process: in its chat template if it has one.

    Raises:
        ModelError: it has no usable tokenizer.
    """
    from iterpref_core.inference.local.tokenizers import load_tokenizer

    return "chat" if load_tokenizer(model, prompt).chat_template else "completions"


@contextmanager
def serve(model: Path | str, logs: Path = LOGS, start_timeout_s: float = START_TIMEOUT_S) -> Iterator[str]:
    """Serve a model on a free port of the loopback interface, under the name `SERVED_NAME`.

    The server ends with the block, or with this process, however that ends.

    Args:
        model: a checkpoint folder, a stage's folder that points at one, or a hub id.
        logs: folder for a file with the server's output.
        start_timeout_s: how long it may take until it is ready.

    Yields:
        The base URL of its OpenAI API.

    Raises:
        ModelError: vLLM is not installed, or cannot serve the model.
        EndpointError: the server ended while it was in use.
    """
    source, python = locate_model(model), find_vllm()
    with _reserved_port() as port:
        log = logs / f"vllm-{port}.log"
        server = _start(_command(python, source, port), log)
        try:
            _wait_until_ready(server, port, f"{model}: vLLM", log, start_timeout_s)
            yield f"http://{_LOOPBACK}:{port}/v1"
        except EndpointError as error:
            if server.poll() is None:
                raise
            raise EndpointError(
                f"{model}: the vLLM server ended: {_reason(server, log)}; everything received is kept: "
                f"see {log}, then run the same command again to continue"
            ) from error
        finally:
            server.terminate()
            server.wait()


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A free port that stays ours: while it is bound no one else is given it, and a server can listen on it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as vLLM does
        holder.bind((_LOOPBACK, 0))
        yield holder.getsockname()[1]


def _command(python: Path, source: ModelSource, port: int) -> list[str]:
    folder = Path(source.name_or_path)
    model = str(folder.resolve()) if folder.is_dir() else source.name_or_path
    revision = ["--revision", source.revision, "--tokenizer-revision", source.revision] if source.revision else []
    # On a CPU vLLM would compile the model with the machine's C++ compiler, each time that it meets a new one.
    eager = ["--enforce-eager"] if vllm_version(python).startswith("vllm-cpu") else []
    return [
        *(str(python), "-P", "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", model, *revision, "--served-model-name", SERVED_NAME),
        *("--host", _LOOPBACK, "--port", str(port)),
        *("--enable-prefix-caching", "--disable-uvicorn-access-log", "--max-model-len", "auto", *eager),
        *_as_in_transformers(source),
        *shlex.split(os.environ.get(ARGUMENTS_VARIABLE, "")),
    ]


def _as_in_transformers(source: ModelSource) -> list[str]:
    """Arguments that make the server answer as `TransformersModel` does, since they share stored answers.

    By itself vLLM halves the precision of float32 models, and decodes with the top-p, top-k and penalties that a
    checkpoint names. Of `generation_config.json` it now reads the end tokens alone.
    """
    dtype = read_config(str(source)).dtype
    return [
        *("--tokenizer-mode", "hf", "--generation-config", "vllm"),
        *(("--dtype", str(dtype).removeprefix("torch.")) if dtype else ()),
    ]


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-I", str(_GUARD), str(os.getpid()), *command],
            env=_DEFAULTS | inherited,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, name: str, log: Path, timeout_s: float) -> None:
    started = shown = time.monotonic()
    with show_progress(f"{name} starts", 1) as advance:
        while not _is_healthy(port):
            now = time.monotonic()
            if server.poll() is not None:
                raise ModelError(f"{name} did not start: {_reason(server, log)}; its log is {log}")
            if now - started > timeout_s:
                raise ModelError(f"{name} was not ready after {timeout_s:.0f} s: {_last_line(log)}; its log is {log}")
            if now - shown > _SHOW_S:
                advance(0, note=f"{now - started:.0f} s")
                shown = now
            time.sleep(_POLL_S)
        advance(note=f"ready after {time.monotonic() - started:.0f} s")


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(_LOOPBACK, port, timeout=3)  # urllib would ask a proxy
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _reason(server: subprocess.Popen[bytes], log: Path) -> str:
    status = server.returncode
    if status > SIGNALLED:
        return f"it was killed by signal {status - SIGNALLED} (9 may mean that memory ran out)"
    return _last_line(log)
