"""CodeFlow through a real client and a server with latencies and faults: a faulty server changes nothing."""

from contextlib import contextmanager

import pytest

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.pairs.codeflow.codeflow import run_codeflow
from iterpref_core.pairs.codeflow.roles import Models
from iterpref_core.records import CodeflowParams, InferenceParams, IoTest, Problem, Trajectory
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.fake_models import stored
from tests.mock_endpoint import FAULTS, Behavior, MockEndpoint, serve
from tests.settings import EXECUTION, section

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
