"""`iterpref init`: what it writes, what it refuses to replace, and what --check finds."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from iterpref_core.config import load_params
from iterpref_core.errors import ConfigError, InputError, ModelError, RecordError
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.training import estimate
from iterpref_core.training.estimate import Card
from tasks.orchestration import configuration_check
from tasks.orchestration.configuration_check import check_configuration
from tasks.orchestration.new_configuration import EXAMPLES, OwnInputs, write_configuration
from tasks.orchestration.profiles import apply_profile, write_values
from tests.flows.conftest import iterpref
from tests.settings import ROOT

__all__ = ["iterpref"]

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what init reads and writes: params.yaml as it is delivered, the profiles, the examples."""
    monkeypatch.chdir(tmp_path)
    for name in ("profiles", "examples", "dvc.yaml", "requirements.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "problems").mkdir()
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return tmp_path


PARAMS = Path("params.yaml")
PROBLEMS = Path("my_problems.jsonl")


@pytest.fixture
def given(word_model: Path) -> OwnInputs:
    return OwnInputs(PROBLEMS, str(word_model), "mender", "http://127.0.0.1:9/v1")


def give_memory(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    monkeypatch.setattr(estimate, "this_card", lambda: Card("a card", size, 1e12))


def test_it_writes_the_profile_the_models_and_the_endpoint_and_leaves_all_else(given: OwnInputs) -> None:
    before = PARAMS.read_text("utf-8").splitlines()
    done = write_configuration(given, PARAMS)
    found = load_params(PARAMS)
    assert (found.model.student, found.model.debugger) == (given.model, "mender")
    assert (found.inference.backend, found.inference.base_url) == ("openai", given.base_url)
    assert (found.problems.codeflow, found.problems.heldout, found.evaluation.benchmarks) == (0, 0, ("heldout",))
    assert found.codeflow.wording == "instruct"
    assert (done.profile, found.training.lora_rank) == ("own", 0)
    assert "model.debugger: nanolab → mender" in done.changes
    after = PARAMS.read_text("utf-8").splitlines()
    assert [line.partition("#")[2] for line in after] == [line.partition("#")[2] for line in before]
    assert write_configuration(given, PARAMS).changes == []


def test_a_debugger_on_this_machine_has_no_endpoint(given: OwnInputs) -> None:
    write_configuration(given._replace(debugger=given.model, base_url=None), PARAMS)
    found = load_params(PARAMS).inference
    assert (found.backend, found.base_url) == ("transformers", None)


def test_examples_are_written_once_and_a_users_problems_stay(given: OwnInputs) -> None:
    assert write_configuration(given, PARAMS).examples
    assert PROBLEMS.read_bytes() == EXAMPLES.read_bytes()
    own = next(read_jsonl(PROBLEMS, Problem))
    write_jsonl(PROBLEMS, [own])
    assert not write_configuration(given, PARAMS).examples
    assert list(read_jsonl(PROBLEMS, Problem)) == [own]


def test_the_examples_have_every_kind_of_test_and_held_out_problems() -> None:
    problems = list(read_jsonl(ROOT / EXAMPLES, Problem))
    kinds = {test.kind for problem in problems for test in problem.tests}
    assert kinds == {"io", "assert", "unittest", "script"}
    assert [problem.split for problem in problems].count("heldout") == 2


def test_a_model_too_large_for_this_machine_gets_lora(given: OwnInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    give_memory(monkeypatch, 1e5)
    assert write_configuration(given, PARAMS).profile == "own-lora"
    assert load_params(PARAMS).training.lora_rank == 16


def test_values_that_somebody_changed_are_not_replaced_unless_forced(given: OwnInputs) -> None:
    write_values({"training.batch_size": 7, "execution.cpu_s": 9}, PARAMS)
    original = PARAMS.read_bytes()
    with pytest.raises(ConfigError, match=r"training\.batch_size: 7 → 32\); add --force"):
        write_configuration(given, PARAMS)
    assert PARAMS.read_bytes() == original
    assert not PROBLEMS.exists()
    write_configuration(given, PARAMS, force=True)
    found = load_params(PARAMS)
    assert (found.training.batch_size, found.execution.cpu_s) == (32, 9), "what no profile has is never touched"


def test_an_endpoint_that_somebody_named_is_not_replaced(given: OwnInputs) -> None:
    write_configuration(given, PARAMS)
    with pytest.raises(ConfigError, match=r"inference\.base_url: http://127\.0\.0\.1:9/v1 → http://other/v1"):
        write_configuration(given._replace(base_url="http://other/v1"), PARAMS)


@pytest.mark.parametrize(
    ("line", "error"), [("", InputError), ('{"task_id": "a"}\n', RecordError)], ids=["empty", "broken"]
)
def test_problems_that_cannot_be_used_change_nothing(given: OwnInputs, line: str, error: type[Exception]) -> None:
    original = PARAMS.read_bytes()
    PROBLEMS.write_text(line, encoding="utf-8")
    with pytest.raises(error, match=r"my_problems\.jsonl"):
        write_configuration(given, PARAMS)
    assert PARAMS.read_bytes() == original


def test_examples_that_cannot_be_written_leave_params_yaml_as_it_was(given: OwnInputs) -> None:
    original = PARAMS.read_bytes()
    Path("file").touch()
    with pytest.raises(OSError, match="file"):
        write_configuration(given._replace(problems=Path("file/mine.jsonl")), PARAMS)
    assert PARAMS.read_bytes() == original


def test_a_model_that_is_not_there_changes_nothing(given: OwnInputs) -> None:
    original = PARAMS.read_bytes()
    with pytest.raises(ModelError, match="absent: no such folder"):
        write_configuration(given._replace(model="./absent"), PARAMS)
    assert PARAMS.read_bytes() == original
    assert not PROBLEMS.exists()


def test_what_is_not_given_is_asked_for(
    iterpref: Cli, given: OwnInputs, monkeypatch: pytest.MonkeyPatch, word_model: Path
) -> None:
    answers = iter(["mine.jsonl", str(word_model), "mender", "http://127.0.0.1:9/v1"])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    code, out, _ = iterpref("init")
    assert code == 0
    assert "next: iterpref ingest mine.jsonl --format jsonl --out problems/mine.jsonl" in out
    assert load_params(PARAMS).model.debugger == "mender"
    assert Path("mine.jsonl").is_file()


def test_what_params_yaml_names_is_the_default_and_none_is_no_endpoint(
    iterpref: Cli, given: OwnInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_configuration(given._replace(debugger=given.model), PARAMS)
    monkeypatch.setattr("typer.prompt", lambda question, default: "none" if "base URL" in question else default)
    code, _, err = iterpref("init", "--profile", "own-lora", "--force")
    assert code == 0, err
    found = load_params(PARAMS)
    assert (found.model.student, found.inference.backend, found.training.lora_rank) == (
        given.model,
        "transformers",
        16,
    )


def test_another_profile_of_its_own_needs_no_force(given: OwnInputs) -> None:
    write_configuration(given, PARAMS)
    write_configuration(given, PARAMS, "own-lora")
    assert load_params(PARAMS).training.objectives["target-rpo"].learning_rate == 1e-4


def test_without_an_answer_it_ends_with_the_option(iterpref: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, _, err = iterpref("init", "--problems", "p.jsonl", "--debugger", "d")
    assert code == 2
    assert "error: --model: no answer; give the option, or answer the question" in err


def test_check_and_what_to_write_do_not_go_together(iterpref: Cli) -> None:
    assert iterpref("init", "--check", "--model", "m")[0] == 2


def test_check_names_what_is_missing_and_shows_the_prompt(iterpref: Cli, given: OwnInputs) -> None:
    write_configuration(given, PARAMS)
    code, out, _ = iterpref("init", "--check", "--json")
    found = {finding["name"]: finding for finding in json.loads(out)["findings"]}
    assert code == 1
    assert found["problems"]["status"] == found["problems: heldout"]["status"] == "missing"
    assert "iterpref ingest FILE" in found["problems"]["remedy"]
    assert found["model: debugger"]["status"] == "missing", "nobody listens at port 9"

    Path("problems/mine.jsonl").write_bytes(EXAMPLES.read_bytes())
    checked = check_configuration(load_params(PARAMS))
    found = {finding.name: finding for finding in checked.findings}
    assert found["problems"].found == "3 to debug, 2 held out, 5 of all your own"
    assert found["calls of the debugger"].found == "at most 17 calls and 8,704 new tokens"
    assert checked.prompt.startswith("Solve this programming task in Python.\n\nWrite `last_word(text)`")


def test_check_says_where_the_embedded_models_have_nothing_to_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    apply_profile("own", PARAMS)
    write_values({"model.student": "nanolab", "model.debugger": "nanolab"}, PARAMS)
    monkeypatch.setattr(configuration_check, "examine", lambda _: [])
    found = {finding.name: finding for finding in check_configuration(load_params(PARAMS)).findings}
    assert found["problems: student"].status == found["problems: debugger"].status == "missing"
