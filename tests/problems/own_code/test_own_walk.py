"""The way of a package from its folder to pairs, with the commands as a user types them."""

import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.cli.options import read_environments
from iterpref_core.problems.own_code.environments import environments_in, remember_environment
from iterpref_core.records import EnvironmentParams, PreferencePair, Problem, Trajectory
from iterpref_core.storage.jsonl import read_jsonl
from tests.command_line import hide_benchmarks
from tests.mock_endpoint import Behavior, MockEndpoint, serve
from tests.texts import write_files

MODULE = '''"""Stock keeping, with an outline that the prompts of all functions share."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """An item on a shelf."""

    name: str
    count: int


'''
CALLS = ("sum", "max", "sorted", "next(iter")
BODIES = tuple(f"{call}(values)" + ")" * call.count("(") for call in CALLS)
TESTS = "import stock\n\n" + "".join(
    f"def test_{number}():\n    assert stock.f{number}([2, 1, 1]) == {want}\n\n"
    for number, want in enumerate((4, 2, [1, 1, 2], 2))
)


YARD = "import m\n\ndef test_f():\n    assert m.f() == 1\n"


def answer(prompt, seed):
    """The draft is wrong by the seed, and the first refinement is right."""
    number = int(prompt.partition("function `f")[2][0])
    body = BODIES[number] if "This program is wrong" in prompt else f"{seed % 1000 + 100}"
    return f"def f{number}(values):\n    return {body}\n"


@pytest.fixture
def depot(tmp_path, monkeypatch):
    hide_benchmarks(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    functions = (
        f'def f{number}(values):\n    """Return what number {number} is about."""\n    return {body}\n\n\n'
        for number, body in enumerate(BODIES)
    )
    write_files(tmp_path / "depot-1.0", {
        "pyproject.toml": '[project]\nname = "depot"\nlicense = "MIT"\n',
        "src/stock.py": MODULE + "".join(functions),
        "tests/test_stock.py": TESTS,
    })  # fmt: skip


def run(*words, code=0):
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == code, done.output
    return done.stdout


def test_own_functions_become_pairs_with_what_each_command_prints(depot):
    ingest = ("ingest", "depot-1.0", "--format", "folder", "--python", sys.executable, "--heldout", "0.3")
    printed = json.loads(run(*ingest, "--out", "p.jsonl", "--json"))
    assert (printed["problems"], printed["heldout"]) == (4, 1)
    option = shlex.split(printed["environment"])
    assert option == ["--environment", f"depot-1.0={sys.executable}:{Path('depot-1.0').resolve()}"]

    first = next(read_jsonl(Path("p.jsonl"), Problem)).task_id
    shown = run("debug", "--problems", "p.jsonl", "--show-prompt", first, "--set", "codeflow.wording=instruct")
    assert "Solve this programming task" in shown
    assert "THE FEEDBACK" in shown

    with serve(MockEndpoint(answer, Behavior())) as url:
        endpoint = ("--backend", "openai", "--base-url", url, "--set", "model.debugger=good", "--draft-model", "weak")
        debug = ("debug", "--problems", "p.jsonl", *endpoint, "--set", "codeflow.wording=terse")
        for out, environment in (("1", []), ("2", option)):
            run(*debug, "--seed", out, "--out", f"{out}.jsonl", *environment)
    for trajectory in read_jsonl(Path("1.jsonl"), Trajectory):
        assert [attempt.model for attempt in trajectory.attempts] == ["weak", "good"]

    pair = ("pair", "--trajectories", "1.jsonl", "--trajectories", "2.jsonl", "--problems", "p.jsonl")
    run(*pair, "--model", "none", "--out", "pairs.jsonl")
    pairs = list(read_jsonl(Path("pairs.jsonl"), PreferencePair))
    assert len(pairs) == 6
    assert {(each.chosen_by, each.rejected_by) for each in pairs} == {("good", "weak")}

    run("show", "--pairs", "pairs.jsonl", "--html", "pairs.html")
    for shown in (run("show", "--pairs", "pairs.jsonl"), Path("pairs.html").read_text()):
        assert "The outline of the module has 1" in shown
        assert "class Item" not in shown


def test_the_environment_is_found_beside_the_problems_and_of_another_machine_it_is_asked_for(depot):
    ingest = ("--format", "folder", "--python", sys.executable, "--license", "MIT")
    write_files(Path("yard"), {"m.py": "def f():\n    'Give 1.'\n    return 1\n", "test_m.py": YARD})
    remember_environment(Path("mine"), "depot", EnvironmentParams(python="python3", paths=(str(Path.cwd()),)))
    run("ingest", "yard", *ingest, "--out", "mine/p.jsonl")
    assert sorted(environments_in(Path("mine"))) == ["depot", "yard"]
    shutil.copy("mine/p.jsonl", "mine/copy.jsonl")
    inject = ("inject", "--problems", "mine/copy.jsonl", "--mutations-per-problem", "1", "--out", "pairs.jsonl")
    run(*inject)

    known = Path("mine/environments.yaml")
    known.write_text(known.read_text().replace(sys.executable, "/other/machine/python"))
    message = str(CliRunner().invoke(app, inject).exception)
    assert "a test needs the environment 'yard', which execution.environments in params.yaml lacks; add" in message
    # The folder is found by its name, here.
    run(*inject, "--environment", f"yard={sys.executable}")

    known.write_text("yard: {python: 3}\n")
    for words in (inject, ("ingest", "yard", *ingest, "--out", "mine/p.jsonl")):
        assert "mine/environments.yaml: field 'yard.python'" in str(CliRunner().invoke(app, words).exception)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depot", "not NAME=PYTHON:FOLDER"),
        ("gone=python", "add the project's folder"),
        ("a=python:depot-1.0:REGION", "give NAME=PYTHON:FOLDER:VARIABLE=VALUE"),
        ("a=python:/no", "no such folder"),
    ],
)
def test_an_environment_that_cannot_be_used_is_refused(depot, text, message):
    Path("p.jsonl").write_text("")
    done = CliRunner().invoke(app, ["quality", "--problems", "p.jsonl", "--environment", text])
    assert message in str(done.exception)


def test_an_environment_names_variables_behind_its_folder(depot):
    for text in ("depot-1.0=python:depot-1.0:A=1:B=x=y", "depot-1.0=python::A=1:B=x=y"):
        (environment,) = read_environments([text]).values()
        assert environment.variables == {"A": "1", "B": "x=y"}
        assert environment.paths[-1] == str(Path("depot-1.0").resolve())
