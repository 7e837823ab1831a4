"""CodeFlow through a real client and a server with latencies and faults: killed again and again, and never in luck."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.pairs.codeflow.codeflow import run_codeflow
from iterpref_core.pairs.codeflow.roles import Models
from iterpref_core.records import IoTest, Problem, Trajectory
from iterpref_core.records.config import CodeflowParams, InferenceParams
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.fake_models import stored
from tests.mock_endpoint import FAULTS, Behavior, MockEndpoint, serve
from tests.settings import EXECUTION, ROOT, section

CONCURRENCY, PROBLEMS = 8, 40
PARAMS = section(
    CodeflowParams,
    source="debugging", max_iterations=5, draft_model="debugger", temperature=0.8,
)  # fmt: skip


def answer(prompt, seed):
    """Right after as many refinements as the problem's number says, if ever; each answer is unlike all others."""
    done = prompt.count("# again") + ("wrong" in prompt)
    needed = int(prompt.partition(":")[0]) % 8
    return f"def f(x):\n    return x + {int(done >= needed)}\n# {seed}\n" + "# again\n" * done


@pytest.fixture(autouse=True)
def _many_attempts(monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 100)


def models_at(url, timeout_s):
    from iterpref_core.models.inference.openai_model import OpenAIModel

    @contextmanager
    def opened(path, run):
        inference = section(InferenceParams, backend="openai", base_url=url, api="chat", timeout_s=timeout_s)
        backend = OpenAIModel("mock", inference.model_copy(update={"concurrency": CONCURRENCY}))
        with AnswerStore(path, run) as store:
            endpoint = stored(backend, "mock", store)
            yield endpoint, endpoint

    return Models(("mock", "mock"), opened)


def codeflow(folder, url, timeout_s=60.0):
    files = folder / "answers.sqlite", folder / "out.jsonl"
    return run_codeflow(folder / "problems.jsonl", models_at(url, timeout_s), PARAMS, EXECUTION, *files)


def prepare(folder):
    visible, hidden = (IoTest(call=f"f({x})", expected=str(x + 1)) for x in (1, 2))
    folder.mkdir(parents=True)
    write_jsonl(
        folder / "problems.jsonl",
        (
            Problem(task_id=f"t{n}", prompt=f"{n}: add one.", entry_point="f", tests=(visible,), hidden_tests=(hidden,))
            for n in range(PROBLEMS)
        ),
    )
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The output of a run without kills and faults, its metrics, and the calls it made."""
    folder = prepare(tmp_path_factory.mktemp("undisturbed") / "run")
    mock = MockEndpoint(answer, Behavior())
    with serve(mock) as url:
        metrics = codeflow(folder, url)
    assert mock.repeated == 0
    assert metrics.llm_calls == mock.answered.total()
    return (folder / "out.jsonl").read_bytes(), metrics, mock.answered.total()


LIVES = """
import os, sys
from pathlib import Path
from tests.pairs.codeflow.test_endpoint_runs import codeflow

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            codeflow(Path(sys.argv[1]), sys.argv[2])
            code = 0
        finally:
            os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_kill_9_at_five_moments_loses_calls_in_flight_and_nothing_else(tmp_path, undisturbed):
    expected, _, calls = undisturbed
    folder = prepare(tmp_path / "run")
    chance = random.Random(4)
    mock = MockEndpoint(answer, Behavior(median_s=0.03))
    lost = []
    with serve(mock) as url:
        command = [sys.executable, "-c", LIVES, str(folder), url]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ), cwd=ROOT
        ) as parent:
            assert parent.stdin is not None
            assert parent.stdout is not None
            for target in sorted(chance.sample(range(1, calls - 5), 5)):
                print("live", file=parent.stdin, flush=True)
                pid = int(parent.stdout.readline())
                while len(mock.answered) < target:
                    time.sleep(0.001)
                time.sleep(chance.random() * 0.02)
                os.kill(pid, signal.SIGKILL)
                assert parent.stdout.readline() == f"{-signal.SIGKILL}\n"
                while mock.in_flight:  # the server notices that nobody is there any more
                    time.sleep(0.01)
                lost.append(len(mock.answered) - len(kept_keys(folder)))
            received = kept_keys(folder)
            print("live", file=parent.stdin, flush=True)
            parent.stdout.readline()
            assert parent.stdout.readline() == "0\n"
            parent.stdin.close()
    assert len(received) >= 5
    assert all(0 <= now <= CONCURRENCY for now in lost), lost
    assert mock.answered.total() - calls <= sum(lost), "what was answered twice had not been received"
    assert len(mock.answered) == calls == len(kept_keys(folder))
    assert (folder / "out.jsonl").read_bytes() == expected


def kept_keys(folder):
    with sqlite3.connect(folder / "answers.sqlite") as data:
        found = {key for (key,) in data.execute("SELECT key FROM kept_answers")}
    data.close()
    return found


def test_faults_of_every_kind_are_asked_again_and_nothing_is_lost(tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.0)
    expected, metrics, calls = undisturbed
    folder = prepare(tmp_path / "run")
    mock = MockEndpoint(answer, Behavior(median_s=0.005, faults=dict.fromkeys(FAULTS, 0.2 / len(FAULTS))))
    with serve(mock) as url:
        found = codeflow(folder, url, timeout_s=1.0)
    assert (folder / "out.jsonl").read_bytes() == expected
    assert mock.faults.keys() == set(FAULTS)
    assert found == metrics
    trajectories = list(read_jsonl(folder / "out.jsonl", Trajectory, unique=True))
    assert [trajectory.task_id for trajectory in trajectories] == [f"t{n}" for n in range(PROBLEMS)]
    assert len(mock.answered) == calls
