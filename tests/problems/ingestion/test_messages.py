"""What a person reads first: messages that say what to do."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.records import InputError
from tests.texts import PAIR, written


def run(*words):
    return CliRunner().invoke(app, ["ingest", *map(str, words)])


def test_a_dry_run_writes_nothing(tmp_path):
    ran = run(
        written(tmp_path / "in.jsonl", PAIR, PAIR), "--format", "trl", "--limit", 1, "--out", os.devnull, "--json"
    )
    assert json.loads(ran.stdout)["pairs"] == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


BROKEN = {
    "<!DOCTYPE html>": "not valid JSON (Expecting value",
    '{"prompt": "p",,}': "not valid JSON (Expecting property name",
    '{"prompt": "p", "chosen": "c"}': "no column `rejected`; there are prompt, chosen",
    json.dumps({key: f"Human: Add.\n\nAssistant:\n```python\n{PAIR[key]}```" for key in ("chosen", "rejected")}): (
        'an answer with its question must be messages, such as [{"role": "user", '
    ),
}


@pytest.mark.parametrize(("line", "words"), BROKEN.items())
def test_a_broken_row_is_explained(tmp_path, line, words):
    source = tmp_path / "in.jsonl"
    source.write_text(f"{json.dumps(PAIR)}\n{line}\n")
    ran = run(source, "--format", "trl", "--out", tmp_path / "out", "--json")
    (row,) = json.loads(ran.stdout)["dropped_rows"]
    assert row["where"] == f"{source}:2"
    assert words in row["explanation"]


def test_a_column_that_some_rows_lack_and_a_row_without_a_reference_have_a_remedy(tmp_path):
    rows = [
        {"prompt": "Add.", "reference": "def f():\n    return 1\n", "tests": ["assert f() == 1"], "name": "f"},
        {"prompt": "Add.", "reference": "def f():\n    return 1\n", "tests": ["assert f() == 1"]},
        {"prompt": "Add.", "reference": "", "tests": ["assert f() == 1"], "name": "f"},
    ]
    words = ("--format", "problems", "--columns", "entry_point=name", "--out", tmp_path / "out", "--json")
    found = json.loads(run(written(tmp_path / "in.jsonl", *rows), *words).stdout)
    first, second = (row["explanation"] for row in found["dropped_rows"])
    assert first.endswith("if some rows have it, write entry_point?=name")
    assert second.endswith("--columns reference= takes rows without one")


def test_an_option_without_an_effect_is_refused(tmp_path):
    source = written(tmp_path / "in.jsonl", PAIR)
    ran = run(source, "--format", "apps", "--out", tmp_path / "out", "--pairs-per-problem", 2)
    assert isinstance(ran.exception, InputError)
    assert str(ran.exception).startswith("--pairs-per-problem: ")


def test_a_job_that_a_scheduler_stops_says_so_and_leaves_nothing_half_written(tmp_path):
    source = tmp_path / "in.jsonl"
    os.mkfifo(source)
    words = [sys.executable, "-m", "iterpref_core.cli", "ingest", str(source), "--format", "trl", "--out", "out.jsonl"]
    child = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    with source.open("w") as pipe:
        pipe.write(json.dumps(PAIR) + "\n")
        pipe.flush()
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".out.jsonl.*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        _, message = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted; what was finished is kept" in message
    assert {path.name for path in tmp_path.iterdir()} <= {"in.jsonl", ".iterpref"}
