"""A table for a paper: seeds of a model are one row, own sets have their files' names, wrong answers can be read."""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from tests.evaluation.report.conftest import benchmark
from tests.texts import written


def _write(place, passed, n=40, name="heldout", weights=None):
    folder = Path(place)
    folder.mkdir(parents=True)
    record = {"model": folder.name, "weights": weights, "benchmarks": {name: benchmark(n, passed, "set-1")}}
    (folder / "results.json").write_text(json.dumps(record))
    return str(place)


@pytest.fixture
def seeds(iterpref):
    _write("r/base", 4)
    return [f"{name}={','.join(_write(f'r/{name}{i}', passed) for i, passed in enumerate(each))}"
            for name, each in {"target_rpo": (36, 37, 38), "dpo": (5, 4, 6)}.items()]  # fmt: skip


def test_in_a_pipe_a_table_is_as_wide_as_its_rows(iterpref, seeds, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "Qwen2.5-Coder-7B-Instruct-after-" + "two-epochs-" * 9
    code, out, _ = iterpref("leaderboard", "r/base", f"{name}={_write('r/long', 36)}")
    (row,) = [line for line in out.splitlines() if line.strip().startswith(name)]
    assert (code, "90.0" in row, "+80.0" in row) == (0, True, True), out


def test_a_row_of_seeds_is_their_mean_with_an_interval_over_problems_and_seeds(iterpref, seeds):
    code, out, err = iterpref("leaderboard", "r/base", *seeds, "--json")
    assert code == 0, err
    rows = {row["model"]: row for row in json.loads(out)["standings"]}
    assert not Path("leaderboard.md").exists()
    best, close = rows["target_rpo"], rows["dpo"]
    assert (best["seeds"], best["pass_at_1"], round(best["std"], 4)) == (3, pytest.approx(37 / 40), 0.025)
    assert best["difference"] == pytest.approx(33 / 40)
    assert best["difference_low"] > 0.6
    assert best["p_value"] < 0.001
    assert close["difference_low"] <= 0 < close["difference_high"]
    assert "seeds" not in rows["base"]


def test_it_is_printed_in_four_forms(iterpref, seeds):
    _, text, _ = iterpref("leaderboard", "r/base", *seeds)
    assert "Scores of several seeds are means" in " ".join(text.split())
    _, out, _ = iterpref("leaderboard", "r/base", *seeds, "--format", "csv")
    assert [row["model"] for row in csv.DictReader(out.splitlines())] == ["target_rpo", "dpo", "base"]
    assert "| target_rpo " in iterpref("leaderboard", "r/base", *seeds, "--format", "markdown")[1]
    code, out, _ = iterpref("leaderboard", "r/base", *seeds, "--format", "latex")
    assert code == 0
    headings = r"model & pass@1 & 95\% interval & seeds & std & against base & p & kept \\"
    assert out.splitlines()[4:8] == [r"\begin{tabular}{lrrrrrrr}", r"\toprule", headings, r"\midrule"]
    assert r"target\_rpo & \textbf{92.5} & [80.6, 98.5] & 3 & 2.5 & +82.5 [+67.6, +97.4] & $<$0.001 & 100 [" in out
    assert r"base & 10.0 & [4.0, 16.0] & -- & -- & -- & -- & -- \\" in out
    assert r"\caption{held-out, 40 tasks.\label{tab:scores}}" in out
    notes = out[out.index(r"\end{tabular}") :]
    assert "both with their 95\\% intervals in brackets" in notes
    assert "std is the seeds' standard deviation" in notes
    _, out, _ = iterpref("leaderboard", "r/base", seeds[1], "--format", "latex")
    assert r"\textbf" not in out, "the best is not significantly better"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="LaTeX is not installed")
def test_a_table_in_latex_fits_into_a_page_whatever_its_columns(iterpref, seeds):
    rules = "".join(rf"\def\{name}rule{{\hline}}" for name in ("top", "mid", "bottom"))
    for options in ((), ("--previous",)):
        _, table, _ = iterpref("leaderboard", "r/base", *seeds, *options, "--format", "latex")
        assert table.count("against") == 1 + len(options)
        text = rf"\documentclass{{article}}\usepackage{{graphicx}}{rules}\begin{{document}}{table}\end{{document}}"
        Path("paper.tex").write_text(text)
        made = subprocess.run(["pdflatex", "-halt-on-error", "paper.tex"], check=False, capture_output=True, text=True)
        assert (made.returncode, "Overfull" in made.stdout) == (0, False), made.stdout


def test_in_latex_several_benchmarks_are_columns(iterpref):
    for name, passed in (("base", 4), ("mine", 36)):
        both = {"humaneval": benchmark(40, passed, "h-1"), "mbpp": benchmark(40, 5, "m-1")}
        (Path("r") / name).mkdir(parents=True)
        (Path("r") / name / "results.json").write_text(json.dumps({"model": name, "benchmarks": both}))
    code, out, err = iterpref("leaderboard", "r/base", "r/mine", "--format", "latex")
    assert code == 0, err
    assert r"model & HumanEval & MBPP \\" in out
    assert r"mine & \textbf{90.0} [84.0, 96.0] {\scriptsize +80.0 [" in out
    assert r"& 12.5 [6.5, 18.5] {\scriptsize 0.0 [$-$" in out
    assert "small: the difference from base." in out[out.index(r"\end{tabular}") :]


@pytest.mark.parametrize(
    ("results", "message"),
    [("x=r/absent", "r/absent: is not there"), ("x=r/base,r/base", "r/base: given twice"), ("r/none", "is not there")],
)
def test_results_that_cannot_be_a_row_are_refused(iterpref, seeds, results, message):
    code, _, err = iterpref("leaderboard", seeds[0], results)
    assert (code, message in err) == (2, True), err


PROBLEM = {
    "task_id": "a",
    "prompt": "Add one to x.",
    "entry_point": "f",
    "tests": [{"kind": "io", "call": "f(1)", "expected": "2"}],
}


def test_own_sets_have_names_and_their_wrong_answers_are_shown(iterpref, caplog):
    for name in ("first", "second"):
        written(Path(f"{name}.jsonl"), PROBLEM, PROBLEM | {"task_id": "b"})
        rows = [
            {"task_id": task, "solution": f"def f(x):\n    return x + {add}\n"} for task, add in (("a", 1), ("b", 2))
        ]
        written(Path("samples.jsonl"), *rows)
        given = ("--problems", f"{name}.jsonl", "--samples", "samples.jsonl", "--out", "r")
        code, _, err = iterpref("evaluate", "--benchmark", "heldout", *given)
        assert code == 0, err
        assert f"{name}.jsonl: no problem of split 'heldout': all 2 are scored" in caplog.text
    assert list(json.loads(Path("r/results.json").read_text())["benchmarks"]) == ["first", "second"]
    code, out, _ = iterpref("show", "--results", "r", "--problems", "first.jsonl", "--limit", "1")
    assert code == 0
    for part in ("== first b: wrong_answer", "Add one to x.", "return x + 2", "f(1)"):
        assert part in out
    assert "no answer with the verdict timeout" in iterpref("show", "--results", "r", "--verdict", "timeout")[1]
    _, out, _ = iterpref("leaderboard", "r")
    assert ("first" in out, "second" in out) == (True, True)


def test_a_card_has_scores_without_a_report(iterpref, word_model):
    _write("r/base", 4)
    _write("r/mine", 36, weights=model_fingerprint(word_model))
    code, _, err = iterpref("export", "--model", word_model, "--out", "o", "--results", "r/base", "--results", "r/mine")
    assert code == 0, err
    assert "| this model | 40    | 90.0" in Path("o/README.md").read_text()
    code, _, err = iterpref("export", "--model", word_model, "--out", "p", "--results", "r/base")
    assert (code, "not of this model's weights" in err) == (2, True), err
