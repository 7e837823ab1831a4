"""A run with other values leaves the user's files alone, and has all that is in the checkout."""

import json
import os
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import chdir, contextmanager, suppress
from pathlib import Path

import pytest
from dvc.repo import Repo
from filelock import FileLock

from iterpref_core.records import InputError, load_params
from tasks.git.worktree import (
    WORKTREES,
    home,
    list_of_worktrees,
    take_snapshot,
    worktree_of,
)
from tasks.profiles import write_values
from tests.dvc_repository import commit, git, init_dvc, reproduce
from tests.settings import ROOT

TASTE = """
[color]
    ui = always
[commit]
    gpgSign = true
[core]
    autocrlf = true
    fsmonitor = {hooks}/fsmonitor
    hooksPath = {hooks}
    quotePath = true
[diff]
    external = false
    mnemonicPrefix = true
    noprefix = true
[diff "upper"]
    textconv = tr a-z A-Z <
[status]
    showUntrackedFiles = no
[submodule]
    recurse = true
"""
HOOKS = ("fsmonitor", "post-checkout", "post-index-change", "pre-commit", "reference-transaction")
STAGE = {
    "cmd": "cat params.yaml new.txt > out",
    "deps": ["new.txt"],
    "params": ["training.objectives.dpo.beta"],
    "outs": ["out"],
}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(toy_checkout):
    """A repository with a commit, DVC, one stage that has run, a change and a new file."""
    folder = toy_checkout({"only": STAGE}, {".gitignore": ".iterpref/\nout\n"}, "check out")
    Path("new.txt").write_text("new\n")
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("epochs: 5 #", "epochs: 4 #"))
    reproduce()
    return folder


@contextmanager
def entered():
    """Enter the worktree `other` of the present folder."""
    with worktree_of(take_snapshot(print), "other", print) as folder, chdir(folder):
        yield folder


def files(folder):
    """Name, kind and content of all files that belong to the user."""
    found = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if (path.is_dir() and not path.is_symlink()) or {".git", ".dvc", ".iterpref"} & set(parts):
            continue
        mode = path.lstat().st_mode
        content = os.fsencode(path.readlink()) if stat.S_ISLNK(mode) else path.read_bytes()
        found[os.fsencode(path.relative_to(folder))] = (mode, content)
    return found


@pytest.fixture
def hostile(checkout, tmp_path, monkeypatch):
    """The checkout with all kinds of changes, and settings that break commands of git."""
    Path("later.txt").write_bytes(b"one\n")
    Path(".gitattributes").write_text("*.bin diff=upper\n")
    Path("gone.bin").write_bytes(b"\0gone")
    git("add", ".")
    commit("more")
    Path("gone.bin").unlink()
    Path("data.bin").write_bytes(b"\0\r\n\xff")
    Path("later.txt").write_bytes(b"two\r\nlines\n")
    Path("run me.sh").write_bytes(b"exit 0\n")
    Path("run me.sh").chmod(0o755)
    Path("link").symlink_to("run me.sh")
    Path(os.fsdecode(b"a folder/\xff\n.txt")).parent.mkdir()
    Path(os.fsdecode(b"a folder/\xff\n.txt")).write_bytes(b"name\n")
    git("add", "data.bin", "run me.sh", "link", "a folder")
    git("add", "later.txt")  # in part staged
    Path("later.txt").write_bytes(b"three\n")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in HOOKS:
        (hooks / name).write_text("#!/bin/sh\necho hostile >&2\nexit 1\n")
        (hooks / name).chmod(0o755)
    (tmp_path / "gitconfig").write_text(TASTE.format(hooks=hooks))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")


@pytest.mark.usefixtures("hostile")
def test_nobodys_taste_reaches_a_worktree(checkout):
    places = [Path(".git/HEAD"), Path(".git/index")]
    before = [path.read_bytes() for path in places]
    for text in (b"four\n", b"five\n"):  # a new worktree, and one that is there
        mine = files(checkout)
        with entered() as folder:
            assert files(folder) == mine
            assert load_params().training.epochs == 4
        assert files(checkout) == mine
        assert [path.read_bytes() for path in places] == before
        Path("later.txt").write_bytes(text)


def test_a_worktree_gets_the_results_that_its_stages_need(toy_checkout):
    """A run of one early stage copied five trained models."""
    stages = {
        "pairs": {"cmd": "echo 1 > pairs", "outs": ["pairs"]},
        "spans": {"cmd": "cp pairs spans", "deps": ["pairs"], "outs": ["spans"]},
        "model": {"cmd": "cp spans model", "deps": ["spans"], "outs": ["model"]},
    }
    toy_checkout(stages, {".gitignore": ".iterpref/\npairs\nspans\nmodel\n"})
    reproduce()
    for name, targets, found in (("some", ("spans",), {"pairs", "spans"}), ("all", (), {"pairs", "spans", "model"})):
        with worktree_of(take_snapshot(print), name, print, targets) as folder:
            assert {stage for stage in ("pairs", "spans", "model") if (folder / stage).exists()} == found


def test_of_new_files_those_that_stages_name_are_taken_as_they_were_and_the_others_counted(checkout):
    """A model of 15 GB that was written into the checkout went into `.git`, and into each worktree."""
    Path("my-model").mkdir()
    for number in range(4):
        Path(f"my-model/{number}").write_bytes(os.urandom(1 << 20))
    Path("notes.txt").write_text("notes\n")

    def stored():
        return sum(path.stat().st_size for path in Path(".git/objects").rglob("*") if path.is_file())

    before = stored()
    Path(".git/info/exclude").write_text("new.txt\n")  # which a stage reads
    said = []
    snapshot = take_snapshot(said.append)
    assert stored() - before < 1 << 19
    assert said == ["new files that are not taken along: 5 (such as my-model/0); `git add FILE` takes one along"]
    Path("new.txt").write_text("later\n")
    Path("params.yaml").write_text("later: 1\n")
    commit("later")
    with worktree_of(snapshot, "other", print) as folder:
        assert (folder / "new.txt").read_text() == "new\n"
        assert load_params(folder / "params.yaml").training.epochs == 4
        assert not (folder / "my-model").exists()


def test_files_outside_of_a_sparse_checkout_are_those_of_the_commit(checkout):
    for name in ("here", "there"):
        Path(name).mkdir()
        (Path(name) / "file").write_text(name)
    git("add", ".")
    commit("two folders")
    git("sparse-checkout", "set", "--no-cone", "/*", "!/there")
    assert not Path("there").exists()
    tree = take_snapshot(print).tree
    assert git("ls-tree", "-r", "--name-only", tree) == git("ls-tree", "-r", "--name-only", "HEAD")


def test_a_checkout_may_be_a_folder_of_a_repository(tmp_path, monkeypatch):
    top = tmp_path / "mono"
    project = top / "some team" / "project"
    project.mkdir(parents=True)
    monkeypatch.chdir(project)
    git("init", "--quiet", str(top))
    (top / "elsewhere.txt").write_text("elsewhere")
    (project / "params.yaml").write_text("beta: 1\n")
    init_dvc()
    stage = {"cmd": "cat params.yaml > out", "params": ["beta"], "outs": ["out"]}
    Path("dvc.yaml").write_text(json.dumps({"stages": {"only": stage}}))
    git("-C", str(top), "add", ".")
    git("commit", "--quiet", "--message", "begin")
    reproduce()
    with entered() as folder:
        assert folder == project / ".iterpref/worktrees/other/some team/project"
        assert files(folder) == files(project)
        assert (folder.parents[1] / "elsewhere.txt").is_file()


def test_a_repository_inside_is_refused_if_its_files_would_be_missing(checkout):
    stage = {**STAGE, "deps": ["new.txt", "vendor"]}
    Path("dvc.yaml").write_text(json.dumps({"stages": {"only": stage}}))
    for name in ("nobody/asks", "vendor/library"):
        git("init", "--quiet", name)
        git("-C", name, "commit", "--quiet", "--allow-empty", "--message", "library")
    with pytest.raises(InputError, match=r"vendor/library: a git repository of its own") as refused:
        take_snapshot(print)
    assert "\n" not in str(refused.value)
    assert not Path(".iterpref/worktrees").exists()


def test_make_gc_keeps_what_a_run_with_other_values_made(checkout, tmp_path, monkeypatch):
    git("add", ".")
    commit("with its lock")
    with entered():
        write_values({"training.beta": 0.3})
        reproduce()
    write_values({"training.beta": 0.5})
    reproduce()
    write_values({"training.beta": 0.1})
    reproduce()
    collect_garbage(tmp_path / "bin")
    cached = [path.read_text() for path in Path(".dvc/cache/files").rglob("*") if path.is_file()]
    assert {text.partition("beta: ")[2][:3] for text in cached} == {"0.1", "0.3"}
    monkeypatch.chdir(Path.cwd().rename(tmp_path / "moved"))  # git does not know the worktrees there
    cleaning = ("make", "--silent", "-f", str(ROOT / "Makefile"), "clean-worktrees")
    with FileLock(".iterpref/worktrees/other.lock"):
        assert "/other/ stays: a run works in it, or it cannot be removed\n" in run(*cleaning)
    assert run(*cleaning) == "removed .iterpref/worktrees/other/\n"
    assert run(*cleaning) == ""
    assert not [*Path(".iterpref/worktrees").glob("other*")]
    collect_garbage(tmp_path / "bin")


def collect_garbage(folder):
    """Run `make gc`, whose command of DVC runs in this process; a stand-in for it, in this folder, notes its words."""
    from dvc.cli import main

    folder.mkdir(exist_ok=True)
    (folder / "dvc").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (folder / "dvc").chmod(0o755)
    told = run("make", "--silent", "-f", str(ROOT / "Makefile"), "gc", f"BIN={folder}", "GCFLAGS=--force --quiet")
    assert main(told.splitlines()) == 0


def test_a_worktree_serves_again_after_a_killed_run_and_the_checkout_may_move_or_be_copied(checkout, monkeypatch):
    """The worktrees of a copy were entered in the list of the first checkout, in place of its own."""
    with entered() as folder:
        Path(git("rev-parse", "--git-path", "index.lock")).write_bytes(b"")
        (folder / ".iterpref/work").mkdir()
        (folder / ".iterpref/work/checkpoint").touch()
    with entered():
        assert Path(".iterpref/work/checkpoint").is_file(), "the next run goes on"
    moved = checkout.rename(checkout.with_name("moved"))
    follows_its_checkout(moved, monkeypatch)
    listed = git("worktree", "list")
    copy = checkout.with_name("copied")
    follows_its_checkout(shutil.copytree(moved, copy, symlinks=True), monkeypatch)
    assert git("-C", moved, "worktree", "list") == listed


def follows_its_checkout(other, monkeypatch):
    """Go to a checkout in another place, whose worktree then has what is changed there, and nothing else."""
    monkeypatch.chdir(other)
    git("add", "new.txt")
    git("mv", "new.txt", other.name)
    for _ in range(2):
        with entered() as folder:
            assert folder == other / ".iterpref/worktrees/other"
            assert files(folder) == files(other)
            assert Path(".iterpref/answers.sqlite").readlink() == other / ".iterpref/answers.sqlite"
            Path(other.name).write_text("changed here")
            Path("new.txt").touch()
    git("mv", other.name, "new.txt")


def test_of_worktrees_whose_runs_ended_well_the_latest_stay(checkout, monkeypatch, capsys):
    """Six of them had 53 MB, and with a model of one's own each has a copy of it."""
    monkeypatch.setattr("tasks.git.worktree._KEPT", 2)
    snapshot = take_snapshot(print)

    def run(name, *, killed=False):
        with suppress(KeyboardInterrupt), worktree_of(snapshot, name, print):
            if killed:
                raise KeyboardInterrupt

    def there():
        return {path.name for path in Path(".iterpref/worktrees").iterdir() if path.is_dir()}

    run("killed", killed=True)
    for name in ("a", "b"):
        run(name)
    run("a")
    with FileLock(".iterpref/worktrees/b.lock"):
        run("c")
        run("d")
    assert there() == {"killed", "a", "b", "c", "d"}, "another run is in b, which is the oldest"
    run("c")
    assert there() == {"killed", "a", "c", "d"}
    run("c", killed=True)
    run("e")
    assert there() == {"killed", "a", "c", "d", "e"}, "the run in c has not ended well"
    assert capsys.readouterr().out.count("removed .iterpref/worktrees/b of an earlier run") == 1
    assert git("worktree", "list").count("\n") == 5


def test_values_are_written_in_the_worktree_alone(checkout):
    before = {path: path.read_bytes() for path in map(Path, ("params.yaml", "dvc.yaml", "dvc.lock", "new.txt"))}
    status = git("status", "--porcelain")
    with entered() as folder:
        assert Path.cwd() == folder != checkout
        assert home() == checkout
        assert Path("out").is_file(), "what was computed is there"
        with Repo(".") as repo:
            assert not repo.config["core"]["check_update"], "DVC would write its news while the worktree is removed"
        write_values({"training.beta": 0.3, "evaluation.benchmarks": ("heldout",)})
        reproduce()
        assert "beta: 0.3" in Path("out").read_text()
    assert home() == Path()
    assert before == {path: path.read_bytes() for path in before}
    assert status == git("status", "--porcelain")
    assert "beta: 0.1" in Path("out").read_text()


def add_to_dvc(*names):
    with Repo(".") as repo:
        repo.add(list(names))


def test_what_dvc_tracks_is_in_a_worktree_although_git_ignores_it(checkout):
    for name in ("problems", "base model"):
        Path(name).mkdir()
    Path("problems/mine.jsonl").write_text("mine\n")
    Path("base model/weights").write_bytes(b"\0weights")
    add_to_dvc("problems/mine.jsonl", "base model")
    for name in ("other", "point"):
        with worktree_of(take_snapshot(print), name, print) as folder:
            assert (folder / "problems/mine.jsonl").read_text() == "mine\n"
            assert (folder / "base model/weights").read_bytes() == b"\0weights"
        Path("dvc.lock").unlink(missing_ok=True)  # as if nothing had run yet


def test_what_dvc_does_not_have_as_it_is_here_is_refused(checkout):
    Path("mine.jsonl").write_text("mine\n")
    add_to_dvc("mine.jsonl")
    Path("mine.jsonl").unlink()  # DVC may have made it a link into its cache
    Path("mine.jsonl").write_text("mine and more\n")
    with pytest.raises(InputError, match=r"mine\.jsonl: modified.*`dvc commit mine\.jsonl\.dvc`"):
        take_snapshot(print)
    shutil.rmtree(".dvc/cache")
    with pytest.raises(InputError, match=r"mine\.jsonl: not in cache.*`dvc pull mine\.jsonl\.dvc`"):
        take_snapshot(print)


def test_the_outputs_of_a_frozen_stage_are_in_every_worktree(checkout):
    Path("dvc.yaml").write_text(json.dumps({"stages": {"only": {**STAGE, "frozen": True}}}))
    before = Path("out").read_bytes()
    write_values({"training.beta": 0.7})
    with worktree_of(take_snapshot(print), "point", print) as folder:
        assert (folder / "out").read_bytes() == before


def test_a_folder_without_a_commit_is_refused_by_what_to_do(checkout):
    shutil.rmtree(".git")
    git("init", "--quiet")
    with pytest.raises(InputError, match=r"run `git add \.` and `git commit`"):
        take_snapshot(print)


def test_one_process_at_a_time_changes_the_list_of_worktrees(checkout):
    """git removes its list of worktrees with the last of them, also while another process adds one."""
    snapshot = take_snapshot(print)
    top = checkout / WORKTREES / "a"

    def come_and_go():
        with worktree_of(snapshot, "a", print, remove=True):
            assert (top / ".git").exists()

    with ThreadPoolExecutor(1) as pool:
        with list_of_worktrees(checkout):
            waiting = pool.submit(come_and_go)
            assert not wait([waiting], timeout=1.0).done
            assert not top.exists()
        waiting.result()
    assert not top.exists()
