"""The flow over DVC's stages: what runs, what does not, and where."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iterpref_core.config import load_params

if TYPE_CHECKING:
    from tests.orchestration.conftest import Small

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("interfaces")]

NOTE_STARTS = """
import os, sys
with open(os.environ["NOTES"], "a") as notes:
    print(*sys.orig_argv, file=notes)
"""
"""As sitecustomize.py: every Python that starts writes down its command line."""
Verb = Callable[..., tuple[int, str, str]]
STAGES = {"problems", "training@sft", "training@dpo", "evaluation@base", "evaluation@sft", "evaluation@dpo", "tables"}


def told(output: str, what: str) -> set[str]:
    """Stages of which a run said this."""
    return set(re.findall(rf"^\S+ (?:seed \d+: )?(\S+) +{what}", output, re.MULTILINE))


def query(small: "Small", statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(small.path / ".iterpref" / "prefect" / "prefect.db")) as database:
        return database.execute(statement).fetchall()


@pytest.mark.usefixtures("server")
def test_what_is_up_to_date_starts_no_process(small: "Small", tmp_path: Path) -> None:
    assert told((small.path / ".iterpref" / "run.log").read_text(encoding="utf-8"), "done in") == STAGES
    (tmp_path / "sitecustomize.py").write_text(NOTE_STARTS, encoding="utf-8")
    own = {"PYTHONPATH": f"{tmp_path}:{small.environment['PYTHONPATH']}", "NOTES": str(tmp_path / "notes")}
    done = type(small)(small.path, own).iterpref("run", "tables", "training")
    assert told(done.stdout, "unchanged") == STAGES, done.stdout
    started = (tmp_path / "notes").read_text(encoding="utf-8")
    assert "flows.cli run tables training" in started
    assert "dvc" not in started
    cached = query(small, "SELECT name FROM task_run WHERE state_name = 'Cached'")
    assert {name for (name,) in cached} >= STAGES


@pytest.mark.usefixtures("server")
def test_other_values_run_in_a_copy_where_force_runs_what_is_named_and_no_more(small: "Small") -> None:
    before = {name: (small.path / name).read_bytes() for name in ("params.yaml", "dvc.yaml", "dvc.lock")}
    folder = small.path / ".iterpref" / "workspaces"
    known = set(folder.glob("*"))
    done = small.iterpref("run", "training", "--profile", "tiny", "--seed", "3", "--seed", "4")
    assert done.returncode == 0, done.stdout
    assert {name: (small.path / name).read_bytes() for name in before} == before
    copies = sorted(set(folder.iterdir()) - known, key=lambda copy: copy.stat().st_ctime)
    assert [load_params(copy / "params.yaml").training.seed for copy in copies] == [3, 4]
    assert load_params(copies[0] / "params.yaml").evaluation.benchmarks == ("heldout",)
    bought = Path(".iterpref") / "answers.sqlite"
    assert all((copy / bought).readlink() == small.path / bought for copy in copies), "answers are paid for once"
    assert told(done.stdout, "done in") == {"training@sft", "training@dpo"}, "problems come from the shared cache"
    again = small.iterpref("run", "evaluation@sft", "--profile", "tiny", "--seed", "3", "--force")
    assert told(again.stdout, "done in") == {"evaluation@sft"}, again.stdout
    assert told(again.stdout, "unchanged") == {"problems", "training@sft"}


@pytest.mark.parametrize("given", [("trane",), ("--profile", "tinny"), ("--objective", "dop"), ("--seed", "-1")])
def test_a_typo_is_one_message_and_changes_nothing(
    copy: "Small", iterpref: Verb, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...]
) -> None:
    monkeypatch.chdir(copy.path)
    before = sorted(copy.path.rglob("*"))
    code, out, err = iterpref("run", *given)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert sorted(copy.path.rglob("*")) == before


def test_a_password_in_an_address_is_refused_and_written_nowhere(copy: "Small") -> None:
    params = copy.path / "params.yaml"
    text = params.read_text(encoding="utf-8")
    address = f"http://user:{copy.environment['OPENAI_API_KEY']}@host/v1"
    params.write_text(text.replace("base_url: null", f"base_url: {address}"), encoding="utf-8")
    done = copy.iterpref("run", "training")
    params.write_text(text, encoding="utf-8")
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert "OPENAI_API_KEY" in done.stdout
    assert copy.environment["OPENAI_API_KEY"] not in done.stdout
    assert_no_secret(copy)


def test_no_secret_of_the_environment_is_written_down(small: "Small") -> None:
    assert_no_secret(small)


def assert_no_secret(small: "Small") -> None:
    key = small.environment["OPENAI_API_KEY"].encode()
    files = [path for path in small.path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {path.name for path in files} >= {"mlflow.db", "prefect.db", "run.log", "dvc.lock"}
    assert [path for path in files if key in path.read_bytes()] == []
