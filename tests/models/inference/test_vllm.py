"""A vLLM server lives as long as its client needs it, answers like transformers, and says clearly why it cannot start.

A stand-in serves; the last test needs vLLM itself, and is skipped where `make vllm` has not been run.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

from iterpref_core.models.inference.backend import Completion, Request, Sampling, ask_all
from iterpref_core.models.inference.openai_model import OpenAIModel
from iterpref_core.models.inference.served_tokens import ServedTokens
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.inference.vllm_server import _GUARD, SERVED_NAME, find_vllm, serve
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records import EndpointError, InferenceParams, ModelError, PromptFormat
from tests.settings import section

STAND_IN = Path(__file__).with_name("stand_in_vllm.py")
fork = get_context("fork")
"""A client that is a copy of this process has its libraries, which take seconds to load."""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts the stand-in where vLLM's Python is looked for; returns the file that it will describe itself in."""

    def install(mode=""):
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        python.chmod(0o755)
        monkeypatch.setenv("ITERPREF_VLLM_PYTHON", str(python))
        monkeypatch.setenv("STAND_IN", mode)
        monkeypatch.setenv("STAND_IN_NOTES", str(tmp_path / "notes.json"))
        return tmp_path / "notes.json"

    return install


def _processes(notes):
    return [psutil.Process(pid) for pid in json.loads(notes.read_text())["pids"]]


def _gone(processes, within_s=0.0):
    deadline = time.monotonic() + within_s
    while any(process.is_running() and process.status() != "zombie" for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_a_client_killed_with_sigkill_leaves_no_server(stand_in, word_model, tmp_path):
    notes = stand_in()
    ready = fork.Event()
    client = fork.Process(target=_hold_a_server, args=(word_model, tmp_path, ready))
    client.start()
    assert ready.wait(60)
    processes = _processes(notes)
    client.kill()
    client.join()
    assert _gone(processes, within_s=20)


def _hold_a_server(model, logs, ready):
    with serve(model, logs):
        ready.set()
        time.sleep(900)


def test_a_server_that_ignores_sigterm_is_killed():
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
    impatient = _GUARD.replace("alarm(10)", "alarm(1)")
    command = [sys.executable, "-I", "-c", impatient, str(os.getpid()), sys.executable, "-c", stubborn]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as guard:
        assert guard.stdout is not None
        assert guard.stdout.readline() == "here\n"
        server = psutil.Process(guard.pid).children()
        guard.terminate()
        guard.wait(20)
    assert len(server) == 1
    assert _gone(server)


def test_the_server_reads_and_samples_as_transformers_does_and_is_gone_after_the_block(
    stand_in, word_model, tmp_path, monkeypatch
):
    notes = stand_in()
    monkeypatch.setenv("ITERPREF_VLLM_ARGUMENTS", "--tensor-parallel-size 2")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PYTHONPATH", ".")
    with serve(word_model, tmp_path):
        processes = _processes(notes)
        seen = json.loads(notes.read_text())
    assert len(processes) == 2, "the server and its worker"
    assert _gone(processes)
    arguments = " ".join(seen["arguments"])
    assert f"--model {word_model} --served-model-name {SERVED_NAME} --host 127.0.0.1" in arguments
    assert "--enable-prefix-caching" in arguments
    assert "--tokenizer-mode hf --generation-config vllm --dtype float32" in arguments
    assert arguments.endswith("--tensor-parallel-size 2")
    assert not {"OPENAI_API_KEY", "PYTHONPATH"} & seen["environment"].keys()
    assert seen["environment"]["VLLM_NO_USAGE_STATS"] == "1"


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("crash", r"exit status 1; .*\.log ends with: ValueError: model type `nosuch` is not known$"),
        ("killed", r"exit status 137 \(killed, as where memory runs out\); .*\.log ends with: nothing$"),
    ],
)
def test_a_server_that_does_not_start_says_why_once_and_leaves_nothing(stand_in, word_model, tmp_path, mode, reason):
    notes = stand_in(mode)
    with (
        pytest.raises(ModelError, match=rf"^{word_model}: vLLM did not start: {reason}") as caught,
        serve(word_model, tmp_path / "work"),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert all(not psutil.pid_exists(pid) for pid in json.loads(notes.read_text())["pids"])


def test_a_server_of_our_own_takes_all_end_strings_of_a_benchmark_and_its_end_in_use_is_named_as_the_cause(
    stand_in, word_model, tmp_path, monkeypatch
):
    """vLLM takes four by default; the stand-in does, too."""
    notes = stand_in()
    monkeypatch.setenv("STAND_IN_ANSWER", "x")
    monkeypatch.setattr("iterpref_core.models.inference.pacing._FIRST_S", 0.001)
    told = r"vLLM server ended: exit status 137 .*run the same command again"
    with pytest.raises(EndpointError, match=told), serve(word_model, tmp_path) as url:
        _ask_before_and_after_a_kill(_backend(url, "completions", ServedTokens(word_model, PromptFormat())), notes)


def _ask_before_and_after_a_kill(backend, notes):
    stops = tuple(f"\nend {number}" for number in range(11))
    assert ask_all(backend, [Request("x", 0)], Sampling(0.0, 4, stops)) == [Completion("x", 5, 3)]
    processes = _processes(notes)
    processes[0].kill()
    assert _gone(processes, within_s=20)
    ask_all(backend, [Request("y", 0)], Sampling(0.0, 4))


def test_an_absent_environment_is_told_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.delenv("ITERPREF_VLLM_PYTHON", raising=False)
    with pytest.raises(ModelError, match="run `make vllm`"):
        find_vllm()
    monkeypatch.setenv("ITERPREF_VLLM_PYTHON", "/absent/python")
    with pytest.raises(ModelError, match="ITERPREF_VLLM_PYTHON=/absent/python: no such program"):
        find_vllm()


def _backend(url, api, tokens=None):
    inference = section(InferenceParams, backend="vllm", base_url=url, api=api, timeout_s=120)
    return OpenAIModel(SERVED_NAME, inference, tokens)


@pytest.mark.slow
def test_vllm_itself_answers_as_transformers_does(smollm2, tmp_path):
    try:
        find_vllm()
    except ModelError as error:
        pytest.skip(str(error))
    model = tmp_path / "float32"
    load_model(smollm2).float().save_pretrained(model)
    load_tokenizer(smollm2).save_pretrained(model)
    tasks = ("adds two numbers", "reverses a string", "says whether a number is prime", "sorts a list of words")
    requests = [Request(f"Write a Python function that {task}.", 0) for task in tasks]
    greedy = Sampling(0.0, 48)
    with serve(model, tmp_path) as url:
        started = psutil.Process().children(recursive=True)
        processes = [process for process in started if "vllm" in " ".join(process.cmdline()).lower()]
        answers = ask_all(_backend(url, "chat"), requests, greedy)
        plain = ask_all(_backend(url, "completions"), requests, greedy)
        first, second = (
            ask_all(_backend(url, "chat"), [replace(requests[0], seed=seed)], Sampling(1.5, 48)) for seed in (1, 2)
        )
    assert answers == TransformersModel(model, 8, bf16=False).generate(requests, greedy)
    assert plain == TransformersModel(model, 8, PromptFormat(template="plain"), bf16=False).generate(requests, greedy)
    assert first != second
    assert len(processes) > 1
    assert _gone(processes)
