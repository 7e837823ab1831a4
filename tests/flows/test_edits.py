"""Edits of files while a stage runs: dvc.lock, DVC's cache of runs and MLflow name what ran, or nothing."""

import json
import shutil
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import stage
from flows.display import Terminal
from flows.run_stages import bring_up_to_date
from iterpref_core.records import InputError, read_yaml
from tasks.mlflow import run_stage
from tests.dvc_repository import commit, git, reproduce

STAGE = {
    "cmd": "validity",
    "deps": ["code", "single.py", "data"],
    "params": ["validity", "training.objectives.dpo.beta", {"versions.yaml": ["torch"]}],
    "outs": ["out/result"],
    "metrics": ["metrics/validity.json"],
}
FILES = {
    "single.py": "1",
    "versions.yaml": "torch: '2'\npeft: '1'\n",
    ".gitignore": ".iterpref\n__pycache__\nout\nmetrics\nmlflow.db*\n",
}


def write(path, text):
    Path(path).write_text(text)


def edit_params(before, after):
    write("params.yaml", Path("params.yaml").read_text().replace(before, after, 1))


def sample(number):
    lines = Path("params.yaml").read_text().splitlines()
    edit_params(next(line for line in lines if line.startswith("  sample: ")), f"  sample: {number}")


def remake(path):
    text = Path(path).read_text()
    Path(path).unlink()
    write(path, text)


def edit_graph(change):
    graph = json.loads(Path("dvc.yaml").read_text())
    change(graph["stages"])
    write("dvc.yaml", json.dumps(graph))


@pytest.fixture
def toy(toy_checkout, monkeypatch):
    """A checkout with one stage, which copies a parameter and its code; returns a function that runs it.

    The function takes edits by the moment at which they happen, and returns what DVC raises. DVC runs the stage in this
    process, as a new one takes seconds.
    """
    from dvc.exceptions import DvcException
    from dvc.stage.exceptions import StageCmdFailedError

    edits = {}
    refused = []

    def work(params):
        edits.get("first", print)()
        Path("out").mkdir(exist_ok=True)
        code = Path("code/a.py").read_text() if Path("code/a.py").exists() else ""
        write("out/result", f"{params.validity.sample} {code}")
        edits.get("last", print)()
        return SimpleNamespace(metrics=lambda: {"sample": params.validity.sample})

    def call(_, command, **_others):
        edits.get("before", print)()
        try:
            stage._run(command)
        except InputError as error:
            refused.append(str(error))
            raise StageCmdFailedError(command, 2) from None

    def run(command="iterpref", **moments):
        edits.clear()
        edits.update(moments)
        refused.clear()
        monkeypatch.setenv("ITERPREF_COMMAND", command)
        try:
            reproduce("validity")
        except DvcException:
            if not refused:
                raise
            return refused[-1]
        return ""

    monkeypatch.setattr("tasks.stages.stage.Stage.run", lambda _, *arguments: work(*arguments))
    monkeypatch.setattr("dvc.stage.run._run", call)
    toy_checkout({"validity": STAGE}, FILES)
    for path in ("code/a.py", "data/a"):
        Path(path).parent.mkdir()
        write(path, "1")
    git("add", ".")
    commit("files")
    sample(33)
    return run


REFUSED = {
    "a parameter": (lambda: sample(32), "validity.sample"),
    "params.yaml cut in the middle": (lambda: write("params.yaml", "validity: {sample"), "params.yaml"),
    "a library's version": (lambda: write("versions.yaml", "torch: '3'\npeft: '1'\n"), "torch"),
    "code": (lambda: write("single.py", "1\nraise SystemExit"), "single.py"),
    "a new file of code": (lambda: write("code/b.py", ""), "code/b.py"),
    "a file of code that is gone": (lambda: Path("single.py").unlink(), "single.py"),
    "a file of a folder that is gone": (lambda: Path("code/a.py").rename("a.py"), "code/a.py"),
    "data": (lambda: write("data/a", "2"), "data/a"),
    "another dependency": (
        lambda: edit_graph(lambda stages: stages["validity"]["deps"].append("params.yaml")),
        "params.yaml",
    ),
}
ACCEPTED = {
    "files made anew with the same content": lambda: [remake(path) for path in ("code/a.py", "data/a", "params.yaml")],
    "a comment in params.yaml": lambda: edit_params("validity:", "validity: # of tests"),
    "a parameter of another stage": lambda: edit_params("  epochs: ", "  epochs: 1"),
    "another library's version": lambda: write("versions.yaml", "torch: '2'\npeft: '2'\n"),
    "another stage": lambda: edit_graph(lambda stages: stages.update(other={"cmd": "x", "outs": ["x"]})),
    "git stash and its end": lambda: (git("stash"), git("stash", "pop")),
}


def begin_anew():
    """Undo a case: the files are the commit's, with 33 problems, and DVC has recorded nothing."""
    git("checkout", "--force", "main")
    git("clean", "-d", "--force", "--exclude=.iterpref")
    shutil.rmtree(".dvc/cache", ignore_errors=True)
    sample(33)


@pytest.mark.parametrize("moment", [pytest.param("first", marks=pytest.mark.slow), "last"])
def test_what_is_edited_while_a_stage_runs_is_named_and_nothing_is_recorded(moment, toy):
    for name, (edit, told) in REFUSED.items():
        begin_anew()
        message = toy(**{moment: edit})
        assert message.startswith("edited while the stage ran: "), (name, message)
        assert told in message, (name, message)
        assert not Path("dvc.lock").exists(), name
        assert not Path(".dvc/cache/runs").exists(), name
        assert Path("out/result").read_text().startswith("33 "), f"{name}: the result is in place"


@pytest.mark.parametrize("moment", ["first", pytest.param("last", marks=pytest.mark.slow)])
def test_what_changes_nothing_that_a_stage_reads_is_no_edit(moment, toy):
    for name, edit in ACCEPTED.items():
        begin_anew()
        assert toy(**{moment: edit}) == "", name
        assert locked_sample() == 33, name


def test_what_is_edited_before_a_stage_has_read_anything_is_what_runs(toy):
    """DVC has looked at the files before: it starts a process for the stage, for seconds on a busy machine."""
    assert toy(before=lambda: (sample(32), write("code/a.py", "2"))) == ""
    assert (locked_sample(), Path("out/result").read_text()) == (32, "32 2")


def test_parameters_that_are_edited_while_a_stage_starts_are_read_anew(toy, monkeypatch):
    """DVC has read them, and the stage has not: it would have run with the second one, and the first is put back."""
    observe = stage.observe_stage

    def edit(name):
        found = observe(name)
        sample(32)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(stage, "observe_stage", edit)
        assert "params.yaml: was edited while validity started" in toy(last=lambda: sample(33))
    assert not Path("out/result").exists()


def test_an_edit_that_is_undone_costs_no_second_computation(toy):
    from dvc.repo import Repo

    def never():
        raise AssertionError("it is computed again")

    assert "single.py" in toy(last=lambda: write("single.py", "1  # one"))
    write("single.py", "1")
    with Repo() as repo:
        repo.commit("validity", force=True)
        assert not repo.status()
    assert toy(first=never) == ""
    assert locked_sample() == 33


def test_a_bare_command_of_dvc_is_guarded_also_while_its_row_is_sent(toy, monkeypatch):
    sent = []

    @contextmanager
    def logged_command(entry, _stage):
        entry.started = 0.0
        yield entry
        sent.append(entry.stages["validity"].params["validity.sample"])
        write("code/a.py", "2")

    monkeypatch.setattr(run_stage, "logged_command", logged_command)
    monkeypatch.setattr(run_stage, "COMMAND_VARIABLE", "NO_SUCH_VARIABLE")
    assert "validity.sample" in toy(first=lambda: sample(32))
    begin_anew()
    assert "code/a.py" in toy()
    assert sent == [33], "the row is of what ran"


def test_an_entry_that_cannot_be_made_costs_a_bare_command_of_dvc_no_result(toy, monkeypatch, capsys):
    monkeypatch.setattr(run_stage, "logged_command", lambda entry, _stage: nullcontext(entry))
    monkeypatch.setattr(run_stage, "COMMAND_VARIABLE", "NO_SUCH_VARIABLE")
    monkeypatch.setattr(run_stage, "read_stage", lambda *_: {}["defect"])
    assert toy() == ""
    assert "validity in MLflow will not be complete: KeyError" in capsys.readouterr().err
    assert locked_sample() == 33


@pytest.mark.usefixtures("dvc_in_this_process")
@pytest.mark.parametrize(
    ("edit", "refused", "dirty"),
    [
        ("sed -i 's/beta: 0.1/beta: 0.3/' params.yaml", True, "false"),
        ("echo '# a comment' >> params.yaml", False, "false"),
        ("echo '# a comment' >> code.py && git commit --quiet --all --message B", False, "true"),
    ],
)
def test_what_is_edited_between_two_stages_of_a_run_is_in_its_row_or_ends_it(
    edit, refused, dirty, toy_checkout, monkeypatch
):
    """A run's row in MLflow names the parameters and the code of all its stages."""
    second = {
        "cmd": "cp first second",
        "deps": ["first"],
        "params": ["training.objectives.dpo.beta"],
        "outs": ["second"],
    }
    graph = {"first": {"cmd": f"{edit} && touch first", "outs": ["first"]}, "second": second}
    toy_checkout(graph, {"code.py": "1\n", ".gitignore": ".iterpref\nfirst\nsecond\n"})
    sent = []
    monkeypatch.setattr("tasks.mlflow.sync.write_entry", sent.append)
    with pytest.raises(InputError, match="was edited since this run began") if refused else nullcontext():
        bring_up_to_date((), {}, 1, Terminal())
    assert (Path("first").exists(), Path("second").exists()) == (True, not refused)
    assert sent[-1].tags["mlflow.source.git.dirty"] == dirty
    commits = sent[-1].tags["mlflow.source.git.commit"].split(", ")
    assert len(commits) == 1 + ("commit" in edit)
    if not refused:
        assert sent[-1].stages["second"].tags["mlflow.source.git.commit"] == commits[-1], "what it ran with itself"


def locked_sample():
    return read_yaml(Path("dvc.lock"))["stages"]["validity"]["params"]["params.yaml"]["validity"]["sample"]
