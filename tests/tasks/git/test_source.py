"""Where a run comes from: the user's commit and changes, and a name that says what is different."""

import os
import subprocess
from pathlib import Path

import pytest

from iterpref_core.cli.libraries import set_up_libraries
from iterpref_core.models.pretrained.lineage import write_lineage
from iterpref_core.records import InputError, ModelLineage, load_params, profile_values, with_values
from tasks.git.source import Source, name_run, observe_source
from tasks.mlflow.entry import begin_entry
from tests.dvc_repository import commit, git
from tests.settings import PARAMS, ROOT
from tests.texts import write_files


@pytest.fixture
def repository(toy_checkout):
    """A commit with the parameters, one file of code, and a stage that depends on it, and on one that is not there."""
    stage = {"cmd": "touch out", "deps": ["code.py", "new.py"], "outs": ["out"]}
    return toy_checkout({"only": stage}, {"code.py": "1\n", ".gitignore": "out\n"})


def replace(path, old, new):
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def test_what_dvc_writes_makes_nothing_dirty_and_a_change_does(repository):
    write_files(Path(), dict.fromkeys(("dvc.lock", "config/dvc.lock"), "schema: '2.0'\n"))
    assert observe_source() == Source(commit=git("rev-parse", "HEAD"), dirty="false")
    replace("code.py", "1", "2")
    assert observe_source().dirty == "true"
    git("checkout", "--", ".")
    Path("new.py").write_text("3\n")
    git("config", "status.showUntrackedFiles", "no")
    assert observe_source().dirty == "true", "whatever the user's git shows"


def test_only_the_lock_of_this_project_is_no_edit_whatever_its_folder_is_called(repository, monkeypatch):
    project = repository / "Projekt Größe"
    project.mkdir()
    monkeypatch.chdir(project)
    for text, dirty in (("a: 1", "false"), ("a: 2", "true")):
        for name in ("dvc.lock", "old-dvc.lock"):
            Path(name).write_text(text)
        if dirty == "false":
            git("add", ".")
            commit("a project among others")
            Path("dvc.lock").write_text("a: 3")
            (repository / "code.py").write_text("2\n")
        assert observe_source().dirty == dirty


def test_edits_of_code_are_told_apart_and_comments_in_params_are_none(repository):
    replace("params.yaml", "  epochs: 5 #", "  epochs: 5 # new")
    seen = [observe_source().edits]
    assert seen == [""]
    replace("code.py", "1", "2")
    seen.append(observe_source().edits)
    Path("new.py").write_text("3\n")
    seen.append(observe_source().edits)
    Path("new.py").write_text("33\n")
    seen.append(observe_source().edits)
    assert len(set(seen)) == 4
    Path(".git/info/exclude").write_text("*.py\n")
    assert observe_source().edits == seen[-1], "the stage reads the file, whatever git ignores"
    git("checkout", "--", "code.py")
    Path("new.py").rename("notes.txt")
    assert (observe_source().dirty, observe_source().edits) == ("false", ""), "no stage names it"
    git("add", "notes.txt")
    assert observe_source().edits


@pytest.mark.parametrize("flag", ["--skip-worktree", "--assume-unchanged"])
def test_an_edit_that_git_is_told_to_ignore_is_refused(repository, flag):
    git("update-index", flag, "code.py")
    with pytest.raises(InputError, match=r"code\.py: git ignores its changes.*`git update-index"):
        observe_source()
    Path("code.py").unlink()  # as outside of a sparse checkout
    assert observe_source().commit == git("rev-parse", "HEAD")


def test_a_parameter_that_is_removed_is_a_change(repository):
    """Two states had one name, and a sweep replaced the experiments of the other state."""
    replace("params.yaml", "  arguments: {} ", "  arguments: {optim: lion} ")
    assert observe_source().changes == {"training.arguments.optim": "lion"}
    commit("an optimizer")
    whole = observe_source().state
    replace("params.yaml", "{optim: lion}", "{}")
    assert observe_source().changes == {"training.arguments": {}, "training.arguments.optim": "removed"}
    assert observe_source().state != whole


def test_a_broken_file_is_named_by_what_reads_it_and_its_commit_does_not_stop_who_has_mended_it(repository):
    params = Path("params.yaml")
    right = params.read_bytes()
    params.write_bytes(b"<<<<<<< HEAD\na: 1\n")
    assert set(observe_source().changes.values()) == {"removed"}
    commit("marks of a conflict")
    params.write_bytes(right)
    assert (observe_source().changes["training.epochs"], observe_source().dirty) == (5, "true")


def test_the_name_says_what_is_different(repository):
    def name(command, values, given=""):
        return begin_entry(command, load_params(), observe_source().with_values(values), given).name

    assert name("iterpref run", {}) == f"iterpref run {git('rev-parse', 'HEAD')[:7]}"
    replace("params.yaml", "  warmup_ratio: 0.03 #", "  warmup_ratio: 0.3 #")
    assert name("dvc repro", {}) == "dvc repro warmup_ratio=0.3"
    # The command's own value comes first.
    assert name("iterpref run", {"training.epochs": 4}) == "iterpref run epochs=4 warmup_ratio=0.3"
    assert name("iterpref sweep", {}, "sft beta=0.3") == "sft beta=0.3"


def test_a_user_without_a_name_is_a_number(monkeypatch):
    """As in a container that `docker run --user 1234` starts; DVC asks, too."""
    monkeypatch.setattr("os.getuid", lambda: 54321)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    set_up_libraries()
    assert begin_entry("dvc repro", PARAMS, Source()).tags["mlflow.user"] == "54321"


def test_a_round_names_the_training_of_its_student(tmp_path):
    lineage = ModelLineage(base="nanolab", objective="sft", data={"pairs": "5a1c"}, commit="a1b2", steps=3, versions={})
    write_lineage(tmp_path, lineage)
    for key in ("model.student", "training.start"):
        tags = begin_entry("iterpref run", with_values(PARAMS, {key: str(tmp_path)}), Source()).tags
        assert tags["iterpref.student"] == "sft, pairs 5a1c, commit a1b2"
    write_lineage(tmp_path, lineage.model_copy(update={"objective": None}))
    for student in (tmp_path, "nanolab", "org/model"):
        params = with_values(PARAMS, {"model.student": str(student)})
        assert "iterpref.student" not in begin_entry("iterpref run", params, Source()).tags


def test_many_changes_are_cut_and_those_of_a_profile_count_only_where_they_differ_from_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    changes = {"profile": "tiny", **profile_values("tiny"), "training.beta": 0.7}
    assert name_run("iterpref run", Source(changes=changes)) == "iterpref run profile=tiny beta=0.7"
    assert name_run("dvc repro", Source(changes={"a.seed": 1, "b.seed": 1, "c": 1})) == "dvc repro a.seed=1 b.seed=1"
    assert len(name_run("dvc repro", Source(changes={"model.student": "/a" * 99}))) == 81


def test_a_record_names_the_commit_also_that_of_an_image_s_sources(repository):
    assert observe_source().described_commit == git("rev-parse", "HEAD")
    replace("code.py", "1", "2")
    assert observe_source().described_commit == git("rev-parse", "HEAD") + ", edited"
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    written = dockerfile[dockerfile.index("git commit ") :].partition("\n")[0]
    replace("code.py", "2", "3")
    command = ["sh", "-c", f"git add --all && {written}"]
    subprocess.run(command, check=True, env={**os.environ, "COMMIT": "0123abc"})
    assert observe_source().commit == "0123abc"


def test_without_git_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert observe_source() == Source(commit="unknown", dirty="unknown")
    assert name_run("dvc repro", observe_source()) == "dvc repro"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert observe_source().dirty == "unknown"
