"""The command line: help everywhere, and one message with exit code 2 for every mistake."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from flows import cli
from flows.cli.experiment_verbs import rename_stage
from iterpref_core.config import load_params
from iterpref_core.errors import ConfigError
from tests.settings import ROOT


def verbs(app: typer.Typer, *group: str) -> Iterator[tuple[str, ...]]:
    """The words of every verb, those of groups included."""
    for command in app.registered_commands:
        assert command.callback
        yield (*group, str(command.callback.__name__).replace("_", "-"))
    for sub in app.registered_groups:
        assert sub.typer_instance
        yield from verbs(sub.typer_instance, *group, str(sub.name))


@pytest.mark.parametrize("verb", list(verbs(cli.app)), ids=" ".join)
def test_every_verb_has_help(verb: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli.app, [*verb, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.output


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes())
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["localize", "--pairs", "absent.jsonl", "--out", "o"], "error: absent.jsonl: no such file"),
        (["localize", "--pairs", "README.md", "--out", "o", "--method", "guess"], "available: line_lcs"),
        (
            ["debug", "--problems", "README.md", "--out", "o", "--model", "m", "--backend", "gpt"],
            "available: transformers",
        ),
        (
            ["debug", "--problems", "README.md", "--out", "o", "--model", "m", "--max-iterations", "-1"],
            "'max_iterations'",
        ),
        (
            [
                "debug",
                "--source",
                "sampling",
                "--problems",
                "README.md",
                "--out",
                "o",
                "--model",
                "m",
                "--samples",
                "1",
            ],
            "'samples'",
        ),
        (
            ["compare-sources", "--debugging", "absent.jsonl", "--sampling", "absent.jsonl"],
            "absent.jsonl: no such file",
        ),
        (["evaluate", "--benchmark", "apps", "--out", "o", "--model", "m"], "available: heldout"),
        (["evaluate", "--benchmark", "heldout", "--out", "o"], "exactly one of --model, --samples and --ground-truth"),
        (
            ["ingest", "README.md", "--format", "csv", "--out", "o"],
            "available: jsonl, mbpp, humaneval, evalplus, codeflow",
        ),
        (["gate", "--baseline", "absent", "--candidate", "absent"], "absent: no such file"),
        (["export", "--model", "docs", "--out", "o", "--summary", "absent.json"], "absent.json: no such file"),
        (["profile", "huge"], "available: "),
        (["run", "trane"], "no stage 'trane' in dvc.yaml; there are problems, nanolab"),
        (
            [
                "train",
                "--pairs",
                "README.md",
                "--spans",
                "README.md",
                "--objective",
                "kto",
                "--model",
                "m",
                "--out",
                "o",
            ],
            "available: sft",
        ),
        (["tune", "--objective", "dop"], "did you mean 'dpo'? available: sft"),
        (["tune"], "all of them are "),
        (["tune", "--objective", "dpo", "--all"], "give --objective or --all, not both"),
        (["check", "--pairs", "README.md", "--spans", "README.md", "--model", "./absent"], "absent: no such folder"),
        (["show", "--pairs", "absent.jsonl"], "absent.jsonl: no such file"),
        (["show", "--pairs", "README.md", "--model", "docs"], "--model and --trained belong together"),
        (
            ["explore", "--trajectories", "README.md", "--out", "x", "--model", "m"],
            "--model and --trained belong together",
        ),
        (["explore", "--trajectories", "README.md", "--out", "x", "--model", "m", "--trained", "t"], "with --pairs"),
        (["explore", "--trajectories", "README.md", "--out", "x", "--outcome", "pairs"], "did you mean 'pair'?"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_message_and_exit_code_2(
    iterpref,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.chdir(ROOT)
    code, _, err = iterpref(*arguments)
    assert code == 2
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not Path("o").exists()


def test_parameters_are_checked_before_anything_runs(
    iterpref,
    params: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.chdir(params.parent)
    params.write_text(params.read_text(encoding="utf-8").replace("beta:", "betta:"), encoding="utf-8")
    code, _, err = iterpref("run")
    assert code == 2
    assert "training.betta: unknown parameter; did you mean 'beta'?" in err
    assert list(params.parent.iterdir()) == [params]


def test_a_profile_is_written_and_every_change_told(
    iterpref,
    params: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.chdir(params.parent)
    (params.parent / "profiles").symlink_to(ROOT / "profiles")
    code, out, _ = iterpref("profile", "tiny")
    assert code == 0
    assert "evaluation.benchmarks: [heldout, humaneval, humaneval+, mbpp, mbpp+] → [heldout]" in out
    assert load_params(params).evaluation.benchmarks == ("heldout",)


def test_a_path_that_cannot_be_written_is_named(
    iterpref,
    params: Path,
    tmp_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pair = {"task_id": "a", "prompt": "p", "chosen": "x = 1\n", "rejected": "x = 2\n"}
    pairs.write_text(json.dumps(pair) + "\n", encoding="utf-8")
    code, _, err = iterpref("localize", "--pairs", pairs, "--out", pairs / "below", "--params", params)
    assert code == 2
    assert "pairs.jsonl" in err


def test_results_come_as_json(iterpref, params: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pairs, spans = tmp_path / "pairs.jsonl", tmp_path / "spans.jsonl"
    pair = {"prompt": "p", "chosen": "x = 1\ny = 2\n", "rejected": "x = 1\ny = 3\n"}
    pairs.write_text(json.dumps(pair) + "\n", encoding="utf-8")
    code, out, _ = iterpref("localize", "--pairs", pairs, "--out", spans, "--params", params, "--json")
    assert code == 0
    assert json.loads(out)["pairs"] == 1
    code, out, _ = iterpref("show", "--pairs", pairs, "--spans", spans)
    assert code == 0
    assert "y = 3" in out
    assert "marked: the error region D−" in out
    out = iterpref("show", "--pairs", pairs)[1]
    assert ("the lines outside the LCS" in out, "D−" in out) == (True, False)
    span = {"task_id": "pair-1", "method": "line_lcs", "rejected": [[0, 999]], "chosen": []}
    for wrong, message in ((span, "a span lies outside of the program"), (span | {"task_id": "q"}, "has spans of")):
        spans.write_text(json.dumps(wrong) + "\n", encoding="utf-8")
        for asked in ((), ("--task-id", "pair-1")):
            code, _, error = iterpref("show", "--pairs", pairs, "--spans", spans, *asked)
            assert code == 2
            assert message in " ".join(error.split())


def test_show_makes_a_page_of_several_pairs_in_the_colors_of_training(
    iterpref,
    params: Path,
    tmp_path: Path,
    word_model: Path,  # type: ignore[no-untyped-def]
) -> None:
    pairs, page = tmp_path / "pairs.jsonl", tmp_path / "pairs.html"
    pair = {"prompt": "p", "chosen": "return x\n", "rejected": "return\n"}
    pairs.write_text((json.dumps(pair) + "\n") * 12, encoding="utf-8")
    models = ("--model", word_model, "--trained", word_model, "--params", params)
    assert iterpref("show", "--pairs", pairs, "--html", page, *models)[0] == 0
    assert page.read_text(encoding="utf-8").count('<article class="pair">') == 10
    assert "0.000 nats" in page.read_text(encoding="utf-8")
    assert iterpref("show", "--pairs", pairs, "--html", page, "--limit", "2")[0] == 0
    assert page.read_text(encoding="utf-8").count('<article class="pair">') == 2
    assert "nats" not in page.read_text(encoding="utf-8")
    code, out, _ = iterpref("show", "--pairs", pairs, "--task-id", "pair-7", *models)
    assert code == 0
    assert "pair-7" in out
    assert "K+ = 0.00 nats" in out


def test_explore_makes_a_page_of_trajectories_in_the_colors_of_training(
    iterpref,
    params: Path,
    tmp_path: Path,
    word_model: Path,  # type: ignore[no-untyped-def]
) -> None:
    trajectories, pairs, page = (tmp_path / name for name in ("t.jsonl", "p.jsonl", "page.html"))
    one = {"feedback": "", "prompt_tokens": 1, "completion_tokens": 1}
    attempts = [
        {"iteration": 0, "code": "return", "verdict": "exception", **one},
        {"iteration": 1, "code": "return x", "verdict": "passed", **one},
    ]
    records = ({"task_id": f"t/{number}", "solved": True, "attempts": attempts} for number in range(3))
    trajectories.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    pair = {"task_id": "t/1", "prompt": "p", "chosen": "return x", "rejected": "return"}
    pairs.write_text(json.dumps(pair) + "\n", encoding="utf-8")
    asked = ("explore", "--trajectories", trajectories, "--pairs", pairs, "--out", page, "--params", params)
    code, out, _ = iterpref(*asked, "--model", word_model, "--trained", word_model)
    assert (code, out) == (0, f"{page}\n")
    text = page.read_text(encoding="utf-8")
    assert "3 of 3 trajectories." in text
    assert '"sums":{"chosen":"0.00"' in text
    assert iterpref(*asked, "--every", "--limit", "2")[1] == f"{page} and 1 more\n"
    assert page.with_name("page-2.html").is_file()
    code, _, error = iterpref(*asked, "--task-id", "t/9")
    assert (code, "no trajectory with task_id 't/9'" in error) == (2, True)
    spans = tmp_path / "s.jsonl"
    spans.write_text('{"task_id": "t/1", "method": "m", "rejected": [[0, 99]], "chosen": []}\n', encoding="utf-8")
    page.unlink()
    code, _, error = iterpref(*asked, "--spans", spans)
    assert (code, "a span lies outside of the program" in error, page.exists()) == (2, True, False)


def test_check_says_what_is_wrong_with_the_data_and_ends_with_1_where_a_run_must_stop(
    iterpref,
    params: Path,
    tmp_path: Path,
    word_model: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    pairs, spans, benchmark = (tmp_path / name for name in ("pairs.jsonl", "spans.jsonl", "benchmark.jsonl"))
    pair = {"task_id": "a", "prompt": "Return x.", "chosen": "return x", "rejected": "x return x"}
    span = {"task_id": "a", "method": "line_lcs", "rejected": [[0, 1]], "chosen": []}
    pairs.write_text(json.dumps(pair) + "\n", encoding="utf-8")
    spans.write_text(json.dumps(span) + "\n", encoding="utf-8")
    benchmark.write_text('{"task_id": "B/0", "prompt": "return X"}\n', encoding="utf-8")
    for variable in (
        "HUMANEVAL_OVERRIDE_PATH",
        "MBPP_OVERRIDE_PATH",
        "BIGCODEBENCH_OVERRIDE_PATH",
        "LIVECODEBENCH_PATH",
    ):
        monkeypatch.delenv(variable, raising=False)
    inputs = ("--pairs", pairs, "--spans", spans, "--model", word_model, "--params", params)
    code, out, _ = iterpref("check", *inputs)
    assert code == 0
    assert "STOP" not in out
    assert "rejected tokens: <8: 1" in out
    code, out, _ = iterpref("check", *inputs, "--against", benchmark, "--json")
    assert code == 1
    result = json.loads(out)
    assert (result["pairs"], result["benchmark_tasks"], result["focal_empty_share"]) == (1, 1, 0)
    overlap, few = result["findings"]
    assert (overlap["stops"], few["stops"]) == (True, False)
    assert "a = B/0" in overlap["text"]
    assert "fewer pairs than one batch: 1, " in few["text"]
    monkeypatch.setenv("MBPP_OVERRIDE_PATH", str(benchmark))
    assert iterpref("check", *inputs)[0] == 1
    benchmark.write_text('{"task_id": "B/0", "prompt": "return X", "split": "heldout"}\n', encoding="utf-8")
    against = ("--against", "heldout", "--problems")
    assert "a = B/0" in iterpref("check", *inputs, *against, benchmark)[1]
    code, _, error = iterpref("check", *inputs, *against, tmp_path / "absent.jsonl")
    assert (code, "absent.jsonl: no such file" in error) == (2, True)
    monkeypatch.delenv("MBPP_OVERRIDE_PATH")
    spans.write_text(json.dumps(span | {"rejected": []}) + "\n", encoding="utf-8")
    code, out, _ = iterpref("check", *inputs)
    assert code == 1
    assert "STOP: no pair has a token in D-" in out


def test_doctor_says_what_is_missing(
    iterpref,
    params: Path,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HUMANEVAL_OVERRIDE_PATH", "/absent/HumanEvalPlus.jsonl.gz")
    code, out, _ = iterpref("doctor", "--params", params, "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert code == 1
    assert findings["data: humaneval"]["status"] == "missing"
    assert findings["packages"]["status"] == "ok", findings["packages"]["found"]
    assert findings["model: student"]["found"] == "embedded"


def test_the_command_line_starts_without_what_takes_seconds_or_reads_the_environment() -> None:
    """Prefect reads its settings when it is imported: before `run` has said which server it shall use."""
    code = "import sys, flows.cli; print([name for name in sys.argv[1:] if name in sys.modules])"
    heavy = ("prefect", "mlflow", "dvc", "torch", "transformers", "trl", "openai", "sklearn")
    found = subprocess.run([sys.executable, "-c", code, *heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_benchmark_that_is_not_there_is_refused_with_the_nearest_one() -> None:
    done = CliRunner().invoke(cli.app, ["bench", "pipelines"])
    assert done.exit_code == 2
    assert "'pipeline'" in done.output


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["sample", "--problems", "p"], ["debug", "--source", "sampling", "--problems", "p"]),
        (["synthesise", "--help"], ["synthesize", "--help"]),
        (["bench", "localisation"], ["bench", "localization"]),
        (["bench", "training"], ["bench", "training"]),
    ],
)
def test_words_of_the_release_before_still_work_and_name_the_new_ones(
    old: list[str], new: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.rename_words(old) == new
    assert bool(capsys.readouterr().err) == (old != new)


def test_stages_of_the_release_before_are_found_by_their_old_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert [rename_stage(name) for name in ("train@dpo", "focal", "pairs")] == ["training@dpo", "localization", "pairs"]
    assert capsys.readouterr().err.count("note: stage") == 2


def test_a_section_of_the_release_before_is_named_as_it_is_called_now(params: Path) -> None:
    params.write_text(params.read_text("utf-8").replace("\nlocalization:\n", "\nfocal:\n"), encoding="utf-8")
    with pytest.raises(ConfigError, match="focal: unknown parameter; did you mean 'localization'"):
        load_params(params)


@pytest.mark.parametrize("verb", ["ingest", "synthesize"])
def test_an_option_of_the_release_before_is_still_taken(verb: str) -> None:
    done = CliRunner().invoke(cli.app, [verb, "--licence", "MIT", "--help"])
    assert done.exit_code == 0, done.output
    assert CliRunner().invoke(cli.app, [verb, "--lycence", "MIT", "--help"]).exit_code == 2, "an unknown one is not"
