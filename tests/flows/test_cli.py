"""The command line: what every verb has in common, each mistake one message and exit code 2."""

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from iterpref_core.cli.app import app
from iterpref_core.cli.shared import parse_assignments, read_params
from iterpref_core.errors import ConfigError
from tests.settings import ROOT

Iterpref = Callable[..., tuple[int, str, str]]
VERBS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
TAKE_VALUES = {"run", "sweep", "train", "debug", "evaluate", "quality", "init"}
PAIR = {"task_id": "a", "prompt": "p", "chosen": "x = 1\n", "rejected": "x = 2\n"}


def test_the_verbs_are_those_of_the_contract() -> None:
    """Of a checkout all; without one those that need none."""
    assert {
        "run", "sweep", "ui", "doctor", "init", "ingest", "synthesize", "inject", "quality", "execute", "debug", "pair",
        "localize", "check", "show", "train", "evaluate", "gate", "export",
    } == VERBS  # fmt: skip


def test_every_verb_has_help(iterpref: Iterpref) -> None:
    for verb in ("", *sorted(VERBS)):
        code, out, _ = iterpref(*filter(None, [verb]), "--help")
        assert (code, "Usage: " in out) == (0, True), verb
        assert not verb or ("--set" in out) == (verb in TAKE_VALUES), verb


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "No such command"),
        (["train", "--objectiv", "dpo"], "--objective"),
        (["localize", "--pairs", "absent.jsonl", "--out", "o"], "absent.jsonl: no such file (--pairs)"),
        (["localize", "--pairs", "empty.jsonl", "--out", "o"], "empty.jsonl: is empty (--pairs)"),
        (["localize", "--pairs", ".", "--out", "o"], ".: is a folder (--pairs); a file is needed"),
        (["localize", "--pairs", "pairs.jsonl", "--out", "pairs.jsonl"], "--pairs and --out name the same"),
        (["localize", "--pairs", "pairs.jsonl", "--out", "pairs.jsonl/o"], "cannot be written"),
        (["localize", "--pairs", "pairs.jsonl", "--out", "o", "--method", "tokn"], "'tokn' is not one of"),
        (["localize", "--pairs", "broken.jsonl", "--out", "o"], "broken.jsonl:1"),
        (["check", "--pairs", "pairs.jsonl", "--spans", "pairs.jsonl"], "--spans and --model belong together"),
        (["evaluate", "--benchmark", "apps", "--out", "o", "--model", "m"], "'apps' is not one of"),
        (["evaluate", "--benchmark", "mbpp", "--out", "o"], "exactly one of --model, --samples and --ground-truth"),
        (["quality", "--problems", "pairs.jsonl", "--judge"], "--judge needs a --model"),
        (["run", "--set", "training.beta"], "is no KEY=VALUE"),
        (["run", "traning"], "no stage 'traning'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_message(
    iterpref: Iterpref, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    if arguments[0] == "run":  # it asks for a checkout
        monkeypatch.chdir(ROOT)
    else:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        for name, text in {"pairs": json.dumps(PAIR), "empty": " \n", "broken": '{"task_id": 1'}.items():
            (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    code, _, err = iterpref(*arguments)
    assert (code, message in err) == (2, True), err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before, "nothing is written"


def test_values_on_the_command_line_are_yaml_and_checked() -> None:
    params = read_params(ROOT / "params.yaml", ["training.beta=3e-1", "evaluation.benchmarks=[heldout]"])
    assert (params.training.beta, params.evaluation.benchmarks) == (0.3, ("heldout",))
    for wrong, message in {"training.betta=1": "betta", "training.beta=-1": "beta", "=1": "KEY=VALUE"}.items():
        with pytest.raises(ConfigError, match=message):
            read_params(ROOT / "params.yaml", [wrong])
    assert parse_assignments(["training.start=null"]) == {"training.start": None}


def test_an_interrupt_says_that_nothing_is_lost(iterpref: Iterpref, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("iterpref_core.cli.training_verbs.read_params", interrupted)
    given = ("--pairs", "README.md", "--spans", "params.yaml", "--objective", "dpo", "--model", "m", "--out", "/tmp/o")
    code, _, err = iterpref("train", *given)
    assert (code, err) == (130, "interrupted; what was finished is kept, and the same command continues\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_locked_disk_is_one_message(
    iterpref: Iterpref, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIR), encoding="utf-8")

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "o.jsonl")

    monkeypatch.setattr("iterpref_core.localization.localization.localize_pairs", refused)
    code, _, err = iterpref("localize", "--pairs", "pairs.jsonl", "--out", "o.jsonl")
    assert (code, err.count("\n"), err.startswith("error: ")) == (2, 1, True), err
    assert "o.jsonl" in err
    assert os.strerror(number) in err


def test_a_run_looks_for_space_before_it_starts_anything(iterpref: Iterpref, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    code, _, err = iterpref("run")
    assert (code, "No space left on device: 1 MiB are free" in err) == (2, True), err


def test_a_missing_library_is_one_message(iterpref: Iterpref, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "iterpref_core.localization.localization", None)
    monkeypatch.setattr("iterpref_core.cli.pair_verbs.load_params", lambda _: __import__("no_such_library"))
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIR), encoding="utf-8")
    monkeypatch.delitem(sys.modules, "iterpref_core.localization.localization")
    code, _, err = iterpref("localize", "--pairs", "pairs.jsonl", "--out", "o.jsonl")
    assert (code, err) == (2, "error: the module no_such_library is not installed; pip install 'iterpref[all]'\n")


def test_pairs_of_anybody_are_localized_and_cleaned(
    iterpref: Iterpref, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    task = "Write a function that returns the sum of the squares of the even numbers of a list of integers, in order."
    pairs = [PAIR, PAIR | {"task_id": "b", "prompt": task}]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    (tmp_path / "bench.jsonl").write_text(json.dumps({"task_id": "B/0", "prompt": task}) + "\n", encoding="utf-8")
    assert iterpref("localize", "--pairs", "pairs.jsonl", "--out", "focal.jsonl")[0] == 0
    spans = json.loads((tmp_path / "focal.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert spans["rejected"] == [[0, 5]]
    code, out, err = iterpref(
        "check", "--pairs", "pairs.jsonl", "--against", "bench.jsonl", "--out", "c.jsonl", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["kept"] == 1
    assert json.loads((tmp_path / "c.jsonl").read_text(encoding="utf-8"))["task_id"] == "a"
