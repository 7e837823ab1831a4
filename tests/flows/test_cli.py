"""The command line: what every verb has in common, each mistake one message and exit code 2."""

import errno
import json
import logging
import os
import re
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from flows.cli.app import app
from iterpref_core.cli import exit_code
from iterpref_core.cli.options import parse_assignments, read_params
from iterpref_core.cli.printing import show_result
from iterpref_core.cli.problem_verbs import FORMATS
from iterpref_core.records import ConfigError, PreferencePair, Problem, Trajectory
from tests.settings import ROOT
from tests.texts import read_table, written

VERBS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
PAIR = {"task_id": "a", "prompt": "p", "chosen": "x = 1\n", "rejected": "x = 2\n"}
LOCALIZE = ["localize", "--pairs", "pairs.jsonl", "--out", "o.jsonl"]
"""In a checkout, the launcher of several processes is asked."""


@pytest.fixture(autouse=True)
def _pairs(iterpref):
    Path("pairs.jsonl").write_text(json.dumps(PAIR))


def test_the_verbs_are_those_of_the_contract_have_help_and_take_values_for_one_call(iterpref):
    contract = {
        "run", "sweep", "ui", "doctor", "init", "ingest", "synthesize", "inject", "quality", "execute", "debug", "pair",
        "localize", "check", "show", "train", "evaluate", "leaderboard", "gate", "export",
        "schema",
    }  # fmt: skip
    assert contract == VERBS, "add what is new to this list; is what is gone missing in an app.py?"
    for verb in ("", *sorted(VERBS)):
        code, out, _ = iterpref(*filter(None, [verb]), "--help")
        assert (code, "Usage: " in out) == (0, True), verb
        if verb and verb not in ("ui", "export", "gate", "leaderboard", "show", "schema"):  # these read no parameters
            assert "--set" in out, (
                f"{verb} has no option --set: add SetOption, or leave out a verb without parameters here"
            )


@pytest.mark.parametrize(
    ("kind", "record"), [("problem", Problem), ("trajectory", Trajectory), ("pair", PreferencePair)]
)
def test_the_schema_of_a_record_holds_for_its_example_and_for_a_written_line(iterpref, kind, record):
    code, out, _ = iterpref("schema", kind)
    schema = json.loads(out)
    Draft202012Validator.check_schema(schema)
    (example,) = schema["examples"]
    for line in (example, json.loads(record.model_validate(example).to_json())):
        Draft202012Validator(schema).validate(line)
    assert code == 0
    assert not Draft202012Validator(schema).is_valid({})


def test_the_formats_of_sets_are_listed_one_a_line(iterpref):
    code, out, _ = iterpref("ingest", "--formats")
    assert (code, {line.split()[0] for line in out.splitlines()}) == (0, {*FORMATS})
    assert all(len(line.split()) > 1 for line in out.splitlines())


def test_the_version_and_the_completion_of_a_shell_are_printed(iterpref, monkeypatch):
    assert iterpref("--version")[:2] == (0, f"iterpref {version('iterpref')}\n")
    # Typer asks which shell has started the command; a test may have been started by none.
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    code, out, _ = iterpref("--show-completion")
    assert (code, "_ITERPREF_COMPLETE=complete_bash" in out) == (0, True), out


MISTAKES = """
trian | No such command
train --objectiv dpo | --objective
train --model m --objective dpo --pairs pairs.jsonl | --out is missing
train --model m --objective dpo --pairs pairs.jsonl --out . | --out .: the folder of the trained model needs a name
train --model m --objective dpo --pairs pairs.jsonl --set training.start=m | training.start is read by the stage alone
train --model m --objective dpo --pairs pairs.jsonl --out o --set training.accelerate=absent.yaml | absent.yaml is not
train --model m --objective dpo --pairs pairs.jsonl --set training.nll=sum | training.nll: has no effect on a training
train --model m --objective dpo --pairs pairs.jsonl --set training.alpha=2.0 | training.alpha: has no effect on a
train --model m --objective dpo --pairs pairs.jsonl --set training.objectives.rpo.beta=0.2 | has no effect on a training
train --model m --objective dpo --pairs pairs.jsonl --set localization.method=token | has no effect on a training
train --model m --objective dpo --pairs pairs.jsonl --set evaluation.samples=2 | has no effect on a training
train --model m --objective sft --pairs pairs.jsonl --set training.beta=0.3 | training.beta: has no effect on a training
train --model m --objective sft --pairs pairs.jsonl --set training.label_smoothing=0.1 | has no effect on a training
train --model m --objective dpo --pairs pairs.jsonl --set training.label_smoothing=0.5 | less than 0.5
train --model m --objective sft --pairs pairs.jsonl --set training.max_margin=5.0 | has no effect on a training with sft
train --model m --objective sft --pairs pairs.jsonl --set training.reference=m | has no effect on a training with sft
train --model m --objective sft --pairs pairs.jsonl --seed 3 --set training.seed=4 | training.seed=4: an option of this
localize --pairs pairs.jsonl --out o --method token --set localization.method=line_lcs | an option of this command has
localize --pairs absent.jsonl --out o | 'absent.jsonl' does not exist
localize --pairs pairs.jsonl --out pairs.jsonl | --out and --pairs are the same
localize --pairs pairs.jsonl --out pairs.jsonl/o | check the path
localize --pairs pairs.jsonl --out o.jsonl --method tokn | 'tokn' is not one of
localize --pairs broken.jsonl --out o | broken.jsonl:1
evaluate --benchmark mbpp --out o | exactly one of --model, --samples and --ground-truth
evaluate --benchmark mbpp --ground-truth --out o --fresh | give one with --model
evaluate --benchmark mbpp --ground-truth --out o --extract | give one with --samples
evaluate --benchmark mbpp --samples . --out o | no program; a folder of samples has files such as HumanEval_0/0.py
execute --problems pairs.jsonl --samples . --out o | pairs.jsonl:1: field
run --set training.beta | not KEY=VALUE
run --set profile=tiny | use `iterpref init --profile NAME`
run --set training=3 | training: a section takes parameters
run traning | no stage 'traning'
ingest pairs.jsonl --format mbbp --out o | did you mean 'mbpp'? `iterpref ingest
"""


@pytest.mark.parametrize(("words", "message"), read_table(MISTAKES))
def test_a_mistake_is_one_message(iterpref, monkeypatch, words, message):
    arguments = words.split()
    Path("broken.jsonl").write_text('{"task_id": 1')
    before = sorted(Path().iterdir())
    if arguments[0] == "run":  # it asks for a checkout
        monkeypatch.chdir(ROOT)
    code, _, err = iterpref(*arguments)
    assert (code, message in err, "Traceback" in err) == (2, True, False), err
    assert arguments[0] == "run" or sorted(Path().iterdir()) == before, "nothing is written"


@pytest.mark.parametrize("verb", ["run", "sweep", "ui"])
def test_below_the_root_and_without_a_graph_a_verb_says_what_to_do(iterpref, monkeypatch, verb):
    """It said that all stages are up to date, whatever had been edited."""
    monkeypatch.chdir(ROOT / "docs")
    code, _, err = iterpref(verb)
    assert (code, err.count("\n"), f"cd {ROOT};" in err) == (2, 1, True), err
    assert not Path(".iterpref").exists()
    monkeypatch.setattr("tasks.dvc.graph.CHECKOUT", Path.cwd())
    assert "restore dvc.yaml" in iterpref(verb)[2]


def test_a_checkout_without_a_graph_still_has_its_verbs(tmp_path):
    """They were "No such command"."""
    for name in ("iterpref_cli.py", "flows", "tasks", "iterpref_core"):
        (tmp_path / name).symlink_to(ROOT / name)
    code = "from iterpref_cli import main; import sys; sys.argv[1:] = ['doctor', '--help']; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "something needed is missing" in done.stdout) == (0, True), done.stderr


def test_a_terminal_of_ascii_alone_shows_something_for_every_sign(monkeypatch):
    terminal = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    assert exit_code(lambda: print("✓ y−")) == 0
    terminal.flush()
    assert terminal.buffer.getvalue() == b"? y?\n"


def test_a_link_that_leads_to_itself_is_one_message(tmp_path, capsys):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert exit_code(lambda: loop.resolve(strict=True)) == 2
    assert "symbolic links; check the path" in capsys.readouterr().err


def test_a_working_folder_that_is_gone_is_one_message(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert exit_code(os.getcwd) == 2
    assert capsys.readouterr().err == "error: the working folder is gone; cd to one that is there\n"


def test_a_limit_that_sqlite_meets_is_one_message(tmp_path, capsys):
    def write():
        with closing(sqlite3.connect(tmp_path / "database")) as database:
            database.execute("CREATE TABLE a (b)")

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        assert exit_code(write) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "check the disk, and the limit of a file's size (`ulimit -f`)" in capsys.readouterr().err


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    """A database that is opened then would get the lines of errors; and `iterpref run` ended with 1 and no word."""
    code = """
import os, sys
from iterpref_core.cli import run_verb
def work(**_):
    with open(sys.argv[1], "w") as file:
        print("a line", file=sys.stderr, flush=True)
        os.write(1, b"a line")
        os.write(2, b"a line")
    return sys.stdin.read() or 3
run_verb(lambda: work)
"""
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code, tmp_path / "file"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 3
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("verb", ["show", "check"])
def test_data_cannot_write_to_the_terminal(iterpref, tmp_path, monkeypatch, verb):
    """Control characters would clear the screen, or show other words than there are."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # a verb sets up none
    parts = {"task_id": "a", "prompt": "Do.", "chosen": "x = 1\n", "rejected": "x = 2\n"}
    pair = {name: f"{text}# {name} \x1b[2J\u202e" for name, text in parts.items()} | {"further\x1b[2J": 1}
    code, out, err = iterpref(verb, "--pairs", written(tmp_path / "pairs.jsonl", pair))
    assert (code, {"\x1b", "\u202e"} & {*out, *err}) == (0, set())
    if verb == "show":
        assert all(rf"# {name} \x1b[2J\u202e" in out for name in parts)
    else:
        assert r"further\x1b[2J (1 rows)" in err


def test_show_without_options_shows_a_pair_of_the_finished_experiment(iterpref):
    code, _, err = iterpref("show")
    assert (code, "run the experiment (iterpref run), or name pairs with --pairs" in err) == (2, True)
    pair = {"task_id": "a", "prompt": "Do.", "chosen": "x = 1\n", "rejected": "y = 2\n"}
    Path("data").mkdir()
    written(Path("data/pairs.jsonl"), pair)
    code, out, _ = iterpref("show")
    assert (code, "y = 2" in out) == (0, True), out
    written(Path("data/focal.jsonl"), pair | {"rejected_spans": [[0, 99]]})
    code, _, err = iterpref("show")
    assert (code, "data/focal.jsonl:1: rejected_spans: [0, 99] lies outside of the program" in err) == (2, True), err
    written(Path("data/focal.jsonl"), pair | {"rejected": "  \n", "rejected_spans": [[0, 2]]})
    code, _, err = iterpref("show")
    assert (code, "which has 0 characters (blanks alone are none)" in err) == (2, True), err


def test_the_pairs_that_a_model_finds_odd_are_shown_first(iterpref):
    scores = {"a": (0.5, 2.0), "b": (3.0, 1.0), "c": (1.0, -4.0)}
    rows = [PAIR | {"task_id": name, "nll": nll, "logp_margin": margin} for name, (nll, margin) in scores.items()]
    written(Path("scored.jsonl"), *rows, PAIR | {"task_id": "d"})
    for by, first in (("nll", "b (nll 3.0, logp_margin 1.0)"), ("logp_margin", "c (nll 1.0, logp_margin -4.0)")):
        code, out, _ = iterpref("show", "--pairs", "scored.jsonl", "--by", by)
        assert (code, out.splitlines()[0].strip()) == (0, first)
    assert iterpref("show", "--pairs", "scored.jsonl", "--by", "nll", "--html", "p.html")[0] == 0
    page = Path("p.html").read_text()
    assert re.findall(r"<h2>(\w)", page) == ["b", "c", "a"]
    code, _, err = iterpref("show", "--pairs", "pairs.jsonl", "--by", "nll")
    assert (code, "for --by what check --model --out wrote" in err) == (2, True), err


def test_values_on_the_command_line_are_yaml_and_checked():
    params = read_params(["training.beta=3e-1", "evaluation.benchmarks=[heldout]"], None, {"training.seed": 7})
    assert (params.training.objectives["dpo"].beta, params.evaluation.benchmarks, params.training.seed) == (
        0.3,
        ("heldout",),
        7,
    )
    for wrong, message in {
        "training.betta=1": "betta",
        "training.save_steps=5": "did you mean 'training.arguments.save_steps'",
        "training.gradient_clipping=1": "did you mean 'training.arguments.max_grad_norm'",
        "training.gradient_accumulation_steps=2": "did you mean 'training.batch_size'",
        "training.loss_type=ipo": "did you mean 'training.objectives'",
        "training.beta=-1": "beta",
        "=1": "KEY=VALUE",
        # No type is taken for another one.
        "problems.seed=true": r"problems\.seed: input should be a valid integer \(got True\)",
        'problems.seed="7"': "valid integer",
        "training.epochs=3.0": "valid integer",
        'training.beta="0.1"': "valid number",
        "training.merge=1": "valid boolean",
        "model.student=7": "valid string",
        "evaluation.k=5": "valid array",
    }.items():
        with pytest.raises(ConfigError, match=message):
            read_params([wrong])
    assert parse_assignments(["training.start=null"]) == {"training.start": None}
    for wrong in ("model.student=[a", "model.student=" + "[\n" * 100_000):
        with pytest.raises(ConfigError, match="not valid YAML"):
            read_params([wrong])


def test_a_file_of_parameters_may_be_empty_and_no_list(tmp_path):
    path = tmp_path / "values.yaml"
    for text in ("", "# training: {epochs: 1}\n"):
        path.write_text(text)
        assert read_params(None, path) == read_params(None)
    for text in ("- training\n", "training\n"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"values\.yaml: holds no parameters; give one a line"):
            read_params(None, path)


def test_a_score_of_zero_is_printed_and_a_count_of_nothing_is_not(capsys):
    show_result({"pass_rate/0": 0.0, "mbpp/pass_at_1": 0.0, "dropped/truncated": 0.0}, as_json=False)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["pass_rate/0", "mbpp/pass_at_1"]


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted; what was finished is kept, and the same command continues"),
        (ModuleNotFoundError("no x", name="no_such_library"), 2, "no_such_library is not installed; pip install"),
        (ImportError("no x in peft", name="peft"), 2, "no x in peft: a package is broken"),
        *[
            (OSError(number, os.strerror(number), "o.jsonl"), 2, os.strerror(number))
            for number in (errno.ENOSPC, errno.EROFS, errno.EACCES)
        ],
    ],
)
def test_an_interrupt_a_missing_library_and_a_full_or_locked_disk_are_one_message(
    iterpref, monkeypatch, raised, expected, message
):
    def refused(*_, **__):
        raise raised

    monkeypatch.setattr("iterpref_core.pairs.localization.localization.localize_pairs", refused)
    code, _, err = iterpref(*LOCALIZE)
    settings, *said = err.splitlines()
    assert (code, settings, len(said), message in err) == (expected, "settings: defaults, profile own", 1, True), err


def test_pairs_of_anybody_are_cleaned_and_a_check_still_fails_on_what_stops_a_training(iterpref, word_model):
    task = "Write a function that returns the sum of the squares of the even numbers of a list of integers, in order."
    pairs = [PAIR, PAIR | {"task_id": "b", "prompt": task}]
    written(Path("pairs.jsonl"), *pairs)
    written(Path("bench.jsonl"), {"task_id": "B/0", "prompt": task})
    clean = ("check", "--pairs", "pairs.jsonl", "--against", "bench.jsonl", "--out", "c.jsonl")
    code, out, err = iterpref(*clean, "--json")
    assert code == 0, err
    assert (json.loads(out)["pairs"], json.loads(out)["kept"]) == (2, 1)
    assert json.loads(Path("c.jsonl").read_text())["task_id"] == "a"
    written(Path("pairs.jsonl"), *(pair | {"rejected_spans": []} for pair in pairs))
    code, out, err = iterpref(*clean, "--model", word_model)
    assert (code, "STOP" in out) == (1, True), out + err
