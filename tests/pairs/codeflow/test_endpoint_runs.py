"""CodeFlow through a real client and a server with latencies and faults: a faulty server changes nothing."""

from contextlib import contextmanager

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.pairs.codeflow.codeflow import run_codeflow
from iterpref_core.pairs.codeflow.roles import Models
from iterpref_core.records import CodeflowParams, InferenceParams, IoTest, Problem, Trajectory
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.fake_models import stored
from tests.mock_endpoint import FAULTS, Behavior, MockEndpoint, serve
from tests.settings import EXECUTION, section

PROBLEMS = 16
PARAMS = section(
    CodeflowParams,
    source="debugging", max_iterations=5, draft_model="debugger", temperature=0.8,
)  # fmt: skip


def answer(prompt, seed):
    """Right after as many refinements as the problem's number says, if ever; each answer is unlike all others."""
    done = prompt.count("# again") + ("wrong" in prompt)
    needed = int(prompt.partition(":")[0]) % 8
    return f"def f(x):\n    return x + {int(done >= needed)}\n# {seed}\n" + "# again\n" * done


def codeflow(folder, mock, timeout_s=60.0):
    """Solve the problems in a new folder; return the output and the metrics."""
    from iterpref_core.models.inference.openai_model import OpenAIModel

    visible, hidden = (IoTest(call=f"f({x})", expected=str(x + 1)) for x in (1, 2))
    folder.mkdir()
    write_jsonl(
        folder / "problems.jsonl",
        (
            Problem(task_id=f"t{n}", prompt=f"{n}: add one.", entry_point="f", tests=(visible,), hidden_tests=(hidden,))
            for n in range(PROBLEMS)
        ),
    )
    with serve(mock) as url:

        @contextmanager
        def opened(path, run):
            inference = {"backend": "openai", "base_url": url, "api": "chat", "timeout_s": timeout_s, "concurrency": 8}
            backend = OpenAIModel("mock", section(InferenceParams, **inference))
            with AnswerStore(path, run) as store:
                endpoint = stored(backend, "mock", store)
                yield endpoint, endpoint

        models, out = Models(("mock", "mock"), opened), folder / "out.jsonl"
        files = folder / "answers.sqlite", out
        metrics = run_codeflow(folder / "problems.jsonl", models, PARAMS, EXECUTION, *files)
    return out.read_bytes(), metrics


def test_faults_of_every_kind_are_asked_again_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 100)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.0)
    good = MockEndpoint(answer, Behavior())
    undisturbed = codeflow(tmp_path / "undisturbed", good)
    assert (good.repeated, good.answered.total()) == (0, undisturbed[1].llm_calls)
    faulty = MockEndpoint(answer, Behavior(median_s=0.005, faults=dict.fromkeys(FAULTS, 0.2 / len(FAULTS))))
    assert codeflow(tmp_path / "faulty", faulty, timeout_s=1.0) == undisturbed
    assert faulty.faults.keys() == set(FAULTS)
    trajectories = list(read_jsonl(tmp_path / "faulty/out.jsonl", Trajectory, unique=True))
    assert [trajectory.task_id for trajectory in trajectories] == [f"t{n}" for n in range(PROBLEMS)]
    assert len(faulty.answered) == len(good.answered)
