"""The experiment on models as hubs have them: a chat checkpoint in bf16 is trained, an endpoint repairs its drafts.

The tests of this file share one workspace and run in their order; the later ones have students, or debuggers, that give
no pair.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file
from transformers import AutoTokenizer, GenerationConfig

from iterpref_core.config import load_params
from iterpref_core.errors import InputError, ModelError
from iterpref_core.inference.codeflow_prompts import draft_prompt
from iterpref_core.inference.openai.mock_endpoint import Behavior, MockEndpoint, NoAnswerError, serve
from iterpref_core.inference.prompts import render_prompt
from iterpref_core.inference.vllm.vllm_server import find_vllm
from iterpref_core.pairs.pairs import select_pairs
from iterpref_core.problems.problems import synthesize
from iterpref_core.records import PreferencePair, Problem, Trajectory
from iterpref_core.storage.jsonl import read_jsonl
from tasks.codeflow import debug_with
from tasks.common.paths import PROBLEMS
from tasks.common.stage_body import Metrics
from tasks.orchestration.profiles import write_values
from tasks.orchestration.workspaces import choose_objectives
from tests.once import give_mlflow_tables, give_prefect_tables, made_once
from tests.pipeline.chat_checkpoint import write_chat_checkpoint
from tests.pipeline.conftest import Workspace, copy_tree
from tests.settings import ROOT

pytestmark = [pytest.mark.timeout(2400), pytest.mark.xdist_group("chat")]

SIZES = {"student": 1, "debugger": 1, "codeflow": 4, "validation": 1, "heldout": 2, "two_step_share": 0.0}
PROSE = "I am sorry, I cannot write this for you."
OBJECTIVE = "target-rpo"


def right(problem: Problem) -> str:
    """An answer with the reference."""
    return f"```python\n{problem.reference}```"


def wrong(problem: Problem) -> str:
    """The reference with one line that is not right, as a model would give it."""
    return right(problem).replace("return ", "return 1 + ")


def prose(_: Problem) -> str:
    return PROSE


def program(answer: str) -> str:
    return answer.removeprefix("```python\n").removesuffix("```")


@dataclass
class Debugger:
    """What the endpoint serves; a test says how it answers."""

    problems: list[Problem]
    answer: Callable[[Problem], str] = right
    asked: list[str] = field(default_factory=list)

    def __call__(self, prompt: str, seed: int) -> str:
        self.asked.append(prompt)
        found = [problem for problem in self.problems if problem.prompt in prompt]
        if not found:
            raise NoAnswerError(prompt)
        return f"One line was wrong.\n\n{self.answer(found[0])}\n\nNow it is right."


@dataclass
class Setting:
    """A workspace with the profile `small`, its problems, what debugs them, and checkpoints by how they draft."""

    workspace: Workspace
    debugger: Debugger
    students: Path

    def choose(self, student: str, debugger: Callable[[Problem], str]) -> None:
        """Take another student, and another debugger under another name."""
        self.debugger.answer = debugger
        models = {"model.student": str(self.students / student), "model.debugger": f"{student}-{debugger.__name__}"}
        write_values(models, self.workspace.path / "params.yaml")

    def metrics(self, stage: str) -> dict[str, float]:
        found: dict[str, float] = json.loads((self.workspace.path / f"metrics/{stage}.json").read_text("utf-8"))
        return found

    def results(self) -> dict[str, bytes]:
        """What the whole experiment left: models, their scores, the report."""
        files = (
            file
            for name in ("models/trained", "results", "reports")
            for file in self.workspace.path.glob(f"{name}/**/*")
        )
        return {str(file): file.read_bytes() for file in files if file.is_file()}


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    params = load_params(ROOT / "params.yaml").problems.model_copy(update=SIZES)
    return [problem for problem in synthesize(params) if problem.split in ("codeflow", "heldout")]


@pytest.fixture(scope="module")
def students(problems: list[Problem], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of checkpoints whose drafts are all wrong, all right, or prose; of held-out problems they know half."""

    def make(path: Path) -> None:
        heldout = [problem for problem in problems if problem.split == "heldout"]
        known = {problem.prompt: (right if number % 2 else wrong)(problem) for number, problem in enumerate(heldout)}
        for draft in (wrong, right, prose):
            drafts = {
                draft_prompt(problem.prompt, "instruct"): draft(problem)
                for problem in problems
                if problem.split == "codeflow"
            }
            write_chat_checkpoint(path / draft.__name__, drafts | (known if draft is wrong else {}))

    return made_once(tmp_path_factory, "chat-students", make)


@pytest.fixture(scope="module")
def setting(problems: list[Problem], students: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    path = tmp_path_factory.mktemp("chat")
    workspace = copy_tree(path, "small")
    give_mlflow_tables(tmp_path_factory, path)
    home = tmp_path_factory.mktemp("prefect")
    give_prefect_tables(tmp_path_factory, home)
    workspace.environment["PREFECT_HOME"] = str(home)
    graph = yaml.safe_load((path / "dvc.yaml").read_text(encoding="utf-8"))
    choose_objectives(graph, [OBJECTIVE])
    (path / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False), encoding="utf-8")
    debugger = Debugger(problems)
    with serve(MockEndpoint(debugger, Behavior())) as base_url:
        values = {
            **{f"problems.{name}": value for name, value in SIZES.items()},
            "validity.sample": 2,
            "validity.mutants": 1,
            "inference.backend": "openai",
            "inference.base_url": base_url,
            "codeflow.temperature": 0.0,
            "codeflow.max_new_tokens": 128,
            "training.epochs": 2,
            f"training.objectives.{OBJECTIVE}.learning_rate": 1e-3,
            "evaluation.benchmarks": ["heldout"],
            "evaluation.max_new_tokens": 128,
            "evaluation.bootstrap": 200,
        }
        write_values(values, path / "params.yaml")
        yield Setting(workspace, debugger, students)


def test_the_experiment_trains_the_checkpoint_on_what_the_endpoint_repaired(
    setting: Setting, problems: list[Problem]
) -> None:
    setting.choose("wrong", right)
    path = setting.workspace.path
    output = setting.workspace.must("dvc", "repro")

    drafted = [problem for problem in problems if problem.split == "codeflow"]
    pairs = list(read_jsonl(path / "data/pairs.jsonl", PreferencePair))
    assert [(pair.rejected, pair.chosen) for pair in pairs] == [(program(wrong(p)), p.reference) for p in drafted]
    assert "fewer pairs than one batch: 4, and training.batch_size = 32" in output
    trained = setting.metrics(f"training/{OBJECTIVE}")
    assert (trained["pairs"], trained["steps"]) == (4, 2)
    assert trained["rewards/margins"] > 0
    curve = (path / f"metrics/training/{OBJECTIVE}.curve.csv").read_text("utf-8").splitlines()
    assert len(curve) == 2, "fewer steps than are between two rows have one row"

    summary = json.loads((path / "reports/summary.json").read_text("utf-8"))
    scores = {name: found["heldout"]["pass_at_1"] for name, found in summary["models"].items()}
    assert scores.keys() == {"base", "debugger", OBJECTIVE}
    assert (scores["base"], scores["debugger"]) == (0.5, 1.0)
    assert (summary["codeflow"]["pairs"], summary["codeflow"]["pass_rate_by_iteration"][:2]) == (4, [0.0, 1.0])
    assert (path / "reports/index.html").stat().st_size > 10_000
    assert {name.name for name in (path / "results").iterdir()} == scores.keys()


def test_both_models_were_asked_as_chat_models(setting: Setting, problems: list[Problem]) -> None:
    student = setting.students / "wrong"
    tokenizer = AutoTokenizer.from_pretrained(student)
    prompts = {problem.task_id: problem.prompt for problem in problems}
    for trajectory in read_jsonl(setting.workspace.path / "data/trajectories.jsonl", Trajectory):
        read = render_prompt(tokenizer, draft_prompt(prompts[trajectory.task_id], "instruct"))
        assert read.startswith("<|im_start|>system\nYou are Qwen")
        assert trajectory.attempts[0].prompt_tokens == len(tokenizer(read, add_special_tokens=False)["input_ids"])
    refinements = [prompt for prompt in setting.debugger.asked if "What running it against the tests said:" in prompt]
    assert len(refinements) == 4
    assert not any("<|im_start|>" in prompt for prompt in setting.debugger.asked), "the template is the server's"


def test_the_trained_model_is_a_chat_checkpoint_of_the_same_form(setting: Setting) -> None:
    student, trained = setting.students / "wrong", setting.workspace.path / "models/trained" / OBJECTIVE
    before, after = (load_file(folder / "model.safetensors") for folder in (student, trained))
    assert {(name, str(weight.dtype), weight.shape) for name, weight in after.items()} == {
        (name, "torch.bfloat16", weight.shape) for name, weight in before.items()
    }
    assert any(not before[name].equal(after[name]) for name in before)
    old, new = (AutoTokenizer.from_pretrained(folder) for folder in (student, trained))
    assert (new.chat_template, new.eos_token, len(new)) == (old.chat_template, old.eos_token, len(old))
    assert before["model.embed_tokens.weight"].shape[0] > len(new), "the vocabulary stays padded"
    old, new = (GenerationConfig.from_pretrained(folder) for folder in (student, trained))
    assert new.to_diff_dict() == old.to_diff_dict()
    assert (new.repetition_penalty, len(new.eos_token_id)) == (1.1, 2)


def test_a_debugger_of_ours_in_a_vllm_server_gives_the_same_pairs(setting: Setting, problems: list[Problem]) -> None:
    try:
        python = find_vllm()
    except ModelError as error:
        pytest.skip(str(error))
    workspace, mender = setting.workspace, setting.students / "mender"
    refinements = [prompt for prompt in setting.debugger.asked if "What running it against the tests said:" in prompt]
    write_chat_checkpoint(mender, {text: right(p) for text in refinements for p in problems if p.prompt in text})
    before = list(read_jsonl(workspace.path / "data/pairs.jsonl", PreferencePair))
    values = {"model.debugger": str(mender), "inference.backend": "vllm", "evaluation.backend": "vllm"}
    write_values(values, workspace.path / "params.yaml")
    workspace.environment["ITERPREF_VLLM_PYTHON"] = str(python)
    try:
        workspace.must("dvc", "repro")
    finally:
        write_values(
            {"inference.backend": "openai", "evaluation.backend": "transformers"}, workspace.path / "params.yaml"
        )
    assert list(read_jsonl(workspace.path / "data/pairs.jsonl", PreferencePair)) == before
    summary = json.loads((workspace.path / "reports/summary.json").read_text("utf-8"))
    scores = {name: found["heldout"]["pass_at_1"] for name, found in summary["models"].items()}
    assert scores.keys() == {"base", "debugger", OBJECTIVE}
    assert scores["base"] == 0.5


def test_no_problem_solved_ends_the_run_with_the_reason_and_keeps_what_was_there(setting: Setting) -> None:
    before = setting.results()
    setting.choose("wrong", wrong)
    done = setting.workspace.iterpref("run", "localization")
    assert done.returncode == 2
    message = done.stdout[done.stdout.index("\nerror: ") :].strip()
    assert message.startswith(
        "error: stage pairs: data/trajectories.jsonl: of 4 problems none gave a pair: unsolved 4\n  versions failed by "
    )
    assert message.endswith(
        "  unsolved: name a stronger model.debugger, raise codeflow.max_iterations or codeflow.max_new_tokens, "
        "or take easier problems"
    )
    assert setting.results() == before


@pytest.fixture
def pairing(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Metrics, Metrics]]:
    """Stages codeflow and pairs with other models, in this process; returns their metrics."""

    def pair(student: str, debugger: Callable[[Problem], str]) -> tuple[Metrics, Metrics]:
        setting.choose(student, debugger)
        monkeypatch.chdir(setting.workspace.path)
        params, folder, drafted = load_params(), setting.students / student, tmp_path / "trajectories.jsonl"
        flow = debug_with(folder, params.model.debugger, params, drafted, tmp_path / "work")
        (tmp_path / "codeflow.json").write_text(json.dumps(flow), "utf-8")
        return flow, select_pairs(drafted, PROBLEMS, folder, params.pairs, tmp_path / "pairs.jsonl")

    return pair


def test_drafts_that_all_pass_are_named_as_the_reason(pairing: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        pairing("right", right)
    first, second = str(caught.value).splitlines()
    assert first.endswith("trajectories.jsonl: of 4 problems none gave a pair: solved_by_draft 4")
    assert second.startswith("  solved_by_draft: no version failed: take harder problems, raise codeflow.temperature")
    assert not (tmp_path / "pairs.jsonl").exists()


def test_answers_in_prose_are_counted_and_shown(pairing: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        pairing("prose", prose)
    flow = json.loads((tmp_path / "codeflow.json").read_text("utf-8"))
    assert flow["no_program"] == flow["verdicts/syntax_error"] == flow["llm_calls"] == 24
    message = str(caught.value)
    assert f"  4 of 4 first and 20 of 20 later answers hold no program; one begins {PROSE!r}: " in message
    assert "codeflow.wording: instruct" in message


def test_prose_that_the_debugger_replaces_is_warned_of(
    pairing: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    flow, pairs = pairing("prose", right)
    assert (flow["no_program"], pairs["pairs"]) == (4, 4)
    assert "4 of 4 first and 0 of 4 later answers hold no program; " in caplog.text
