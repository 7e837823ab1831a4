"""Pairs of one's own: any layout is read, or the message names the command that reads it; regions of the file stay."""

import csv
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from iterpref_core.problems.composition.problem_splits import SPLITS
from iterpref_core.records import load_params
from iterpref_core.storage.jsonl import read_pairs
from tasks.grid import choose_benchmark
from tests.settings import ROOT
from tests.texts import written


def _pair(number):
    chosen = f"def scale(xs):\n    return [x * {number} for x in xs]\n"
    return {"prompt": f"Multiply by {number}.", "chosen": chosen, "rejected": chosen.replace("*", "+")}


ROWS = [_pair(number) for number in range(2, 10)]
REGION = {"rejected_spans": [[20, 26]], "chosen_spans": [[20, 26]]}
OTHER_NAMES = {"prompt": "question", "chosen": "good", "rejected": "bad"}
NAMED = "prompt=question,chosen=good,rejected=bad"


def _turns(row):
    """A pair as two conversations."""
    asked = {"role": "user", "content": row["prompt"]}
    return {side: [asked, {"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")}


LAYOUTS = {
    "lines": (ROWS, ""),
    "array": (ROWS, ""),
    "csv": (ROWS, ""),
    "csv with regions": ([row | {"rejected_spans": "[[20, 26]]"} for row in ROWS], ""),
    "messages": ([row | {"prompt": _turns(row)["chosen"][:1]} for row in ROWS], ""),
    "other names": ([{OTHER_NAMES[name]: text for name, text in row.items()} for row in ROWS], NAMED),
    "one other name": ([{name.replace("rejected", "bad"): row[name] for name in row} for row in ROWS], "rejected=bad"),
    "numbers as ids": ([{"task_id": number, **row} for number, row in enumerate(ROWS)], ""),
    "conversations": ([_turns(row) for row in ROWS], ""),
}  # fmt: skip
READ_BY_INGEST = ("other names", "one other name", "numbers as ids", "conversations")


def _write(layout):
    rows, _ = LAYOUTS[layout]
    path = Path("pairs.csv" if layout.startswith("csv") else "in.json")
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text(json.dumps(rows) if layout == "array" else "\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_is_read_or_the_message_has_the_command_that_reads_it(iterpref, word_model, layout):
    pairs = ("--pairs", _write(layout))
    code, out, err = iterpref("localize", *pairs, "--out", "marked.jsonl", "--json")
    if layout not in READ_BY_INGEST:
        assert (code, json.loads(out)["pairs"]) == (0, len(ROWS)), err
        return
    for verb in (["check"], ["train", "--objective", "target-dpo", "--model", word_model, "--out", "o"]):
        code, _, said = iterpref(*verb, *pairs)
        assert (code, said) == (2, err)
    command = shlex.split(err.partition("is read by: ")[2])
    assert command[:4] == ["iterpref", "ingest", "in.json", "--format"]
    if columns := LAYOUTS[layout][1]:
        code, _, err = iterpref(*command[1:])
        assert (code, "name it with --columns" in err, "bad" in err) == (2, True, True)
        command += ["--columns", columns]
    code, _, err = iterpref(*command[1:])
    assert (code, len(Path("pairs.jsonl").read_text().splitlines())) == (0, len(ROWS)), err


def test_pairs_without_regions_are_marked_for_objectives_that_need_them(iterpref, word_model):
    # The model knows x, and neither * nor +.
    rows = [row | {"rejected": f"{row['rejected']}x\n"} for row in ROWS]
    rows[:3] = [row | REGION for row in rows[:3]]
    written(Path("pairs.jsonl"), *rows)
    values = ("--set", "training.epochs=1", "--set", "training.batch_size=4", "--set", "training.micro_batch_size=4")
    found = {}
    for objective in ("target-dpo", "rpo"):
        given = ("--pairs", "pairs.jsonl", "--objective", objective, "--model", word_model, "--out", objective)
        code, out, err = iterpref("train", *given, *values, "--json")
        assert code == 0, err
        found[objective] = "regions: 3 from the file, 5 marked" in err, json.loads(out)["focal_token_share"]
    assert found["target-dpo"][0]
    assert not found["rpo"][0]
    assert 0 < found["rpo"][1] < found["target-dpo"][1] < 1


@pytest.mark.parametrize(("others", "found"), [([], "1 of 1 "), (ROWS, "1 of 9 ")])
def test_answers_in_markdown_are_trained_as_they_are_and_counted(iterpref, word_model, caplog, others, found):
    answer = {side: f"So:\n```python\n{_pair(2)[side]}```" for side in ("chosen", "rejected")}
    pairs = ("--pairs", str(written(Path("pairs.jsonl"), _pair(2) | answer, *others)), "--model", word_model)
    _, out, _ = iterpref("check", *pairs)
    assert f"look: an answer is Markdown, trained as it is, and D- may lie outside of its program: {found}" in out
    (forms,) = re.findall(r"(?m)^trained: (.+)$", out)
    assert ("program\\n```" in forms, " or " in forms) == (bool(others), bool(others))
    assert iterpref("train", *pairs, "--objective", "sft", "--out", "o", "--set", "training.epochs=1")[0] == 0
    assert f"data: an answer is Markdown, trained as it is: {found}" in caplog.text


def test_check_counts_validation_pairs_and_says_that_regions_need_a_model(iterpref, word_model):
    rows = [ROWS[0] | REGION, *ROWS[1:6], *(row | {"split": "valid"} for row in ROWS[6:])]
    check = ("check", "--pairs", str(written(Path("pairs.jsonl"), *rows)), "--set", "training.batch_size=7")
    shares = ("--set", "training.validation_share=0.5")
    for model, regions in (
        ((), "1 from the file, 7 to be marked; not checked"),
        (word_model, "1 from the file, 7 marked"),
    ):
        code, out, err = iterpref(*check, *(("--model", model) if model else shares))
        assert (code, f"regions: {regions}" in out) == (0, True), err
        assert re.search(r"(?m)^validation_pairs +2$", out)
        few = "fewer pairs than one batch (batch_size = 7, so each of 3 epochs is one step): 6 of 8 pairs"
        assert (few in out) == bool(model)


FENCED = ROWS[0] | {"chosen": f"So:\n```python\n{ROWS[0]['chosen']}```"}
BY_INGEST = "`iterpref ingest in.jsonl --format trl --out OUT`"
WAYS_IN = {
    "as it is": (ROWS, []),
    "without fences": (
        [FENCED, FENCED | {"chosen": "```python\nx = 1"}, FENCED | {"chosen": "No."}, *ROWS[1:]],
        ["programs alone of answers in Markdown (2 rows) and leaves out 2 of 10 rows: 1 truncated (an answer ends"],
    ),
    "turned": (
        [ROWS[0] | {"score_chosen": 1, "score_rejected": 2}],
        [f"{BY_INGEST}: score_chosen is below score_rejected in 1 of 1 pairs. "],
    ),
    "none": ([ROWS[0] | {"chosen": "No."}], [f"{BY_INGEST} takes none: in.jsonl: no pair to ingest (1 no_code; "]),
    "in a checkout": (
        [ROWS[0] | {"rejected": ROWS[0]["chosen"].replace("  return", "  # So\n    return")}],
        ["in `pairs/` of a checkout, stage `pairs` leaves out 1 of 1 rows: 1 comments_only (the error region has"],
    ),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_check_says_what_the_other_ways_in_would_leave_out(iterpref, way):
    rows, expected = WAYS_IN[way]
    code, out, _ = iterpref("check", "--pairs", str(written(Path("in.jsonl"), *rows)), "--json")
    texts = [finding["text"] for finding in json.loads(out)["findings"]]
    assert (code, len(texts)) == (0, len(expected))
    assert all(words in text for words, text in zip(expected, texts, strict=True)), texts


def test_a_file_through_a_pipe_may_have_values_of_other_objectives(iterpref, word_model):
    """Its seed and rate count, but for an option; `test_cli.py` has the values that `--set` refuses."""
    written(Path("pairs.jsonl"), *ROWS)
    reading, writing = os.pipe()
    os.write(writing, b"training: {beta: 0.1, learning_rate: 0.1, seed: 4, epochs: 1}\nlocalization.method: token")
    os.close(writing)
    given = ("--pairs", "pairs.jsonl", "--objective", "sft", "--model", word_model, "--out", "o", "--seed", "3")
    code, _, err = iterpref("train", *given, "--params", f"/dev/fd/{reading}", "--set", "training.alpha=2.0")
    assert code == 0, err
    settings = json.loads(Path("o/lineage.json").read_text())["settings"]
    assert [settings[name] for name in ("learning_rate", "alpha", "beta", "seed")] == [0.1, 2.0, 0.0, 3]


def test_a_method_is_refused_where_the_file_has_all_regions(iterpref, word_model):
    given = ("--pairs", "pairs.jsonl", "--objective", "target-dpo", "--model", word_model, "--out", "o")
    method = ("--set", "localization.method=token", "--set", "training.epochs=1")
    for marked, expected in ((len(ROWS), 2), (3, 0)):
        written(Path("pairs.jsonl"), *(row | REGION for row in ROWS[:marked]), *ROWS[marked:])
        code, _, err = iterpref("train", *given, *method)
        assert (code, "localization.method: has no effect: pairs.jsonl has the region of each" in err) == (
            expected,
            expected == 2,
        ), err


def test_two_verbs_to_a_trained_model_and_one_to_the_table_over_seeds(iterpref, word_model):
    """As a user has it: a file of pairs, a folder with a model, and no params.yaml."""
    written(Path("pairs.jsonl"), *ROWS)
    test = {"kind": "assert", "code": "assert scale([1]) == [2]"}
    written(Path("mine.jsonl"), {"task_id": "a", "prompt": "Double.", "entry_point": "scale", "tests": [test]})
    Path("small.yaml").write_text("training: {batch_size: 4, epochs: 1}\nevaluation: {max_new_tokens: 4}\n")
    small = ("--params", "small.yaml")
    assert iterpref("check", "--pairs", "pairs.jsonl", "--model", word_model, *small)[0] == 0
    row = []
    for seed in ("1", "2"):
        given = ("--pairs", "pairs.jsonl", "--objective", "target-rpo", "--model", word_model, "--seed", seed)
        code, out, err = iterpref("train", *given, "--out", f"t/{seed}", *small)
        assert f"the last logged one; each point: t/{seed}.curve.csv" in out
        assert (code, "regions: 0 from the file, 8 marked" in err) == (0, True), err
        row.append(f"r/{seed}")
    for model, out in ((word_model, "r/base"), ("t/1", "r/1"), ("t/2", "r/2")):
        given = ("--benchmark", "heldout", "--problems", "mine.jsonl", "--model", model)
        code, _, err = iterpref("evaluate", *given, "--out", out, *small)
        assert code == 0, err
    code, out, err = iterpref("leaderboard", "r/base", f"target-rpo={','.join(row)}", "--format", "latex")
    assert code == 0, err
    assert r"target-rpo & 0.0 & [0.0, 79.3] & 2 & 0.0 & 0.0 [$-$100.0, +100.0] & -- & -- \\" in out, "of one task"


def test_init_sets_up_an_experiment_on_pairs_alone(iterpref, word_model):
    shutil.copy2(ROOT / "params.yaml", ".")
    Path("config").symlink_to(ROOT / "config")
    init = ("init", "--pairs", _write("csv"), "--model", word_model)
    code, out, err = iterpref(*init)
    assert (code, "as problems/ has no held-out task" in out) == (0, True), err
    params = load_params()
    assert (params.profile, params.model.student, params.model.debugger) == ("own", str(word_model), str(word_model))
    assert {getattr(params.problems, split) for split in SPLITS} == {0}
    assert "heldout" not in params.evaluation.benchmarks
    assert len(list(read_pairs("pairs/pairs.jsonl"))) == len(ROWS)
    assert choose_benchmark("rates", None, params) == "humaneval"
    task = {"task_id": "mine/1", "prompt": "Add one.", "entry_point": "f", "split": "heldout"}
    Path("problems").mkdir()
    written(Path("problems/mine.jsonl"), task | {"tests": [{"kind": "io", "call": "f(1)", "expected": "2"}]})
    code, out, err = iterpref(*init)
    assert (code, "no held-out task" in out) == (0, False), err
    assert load_params().evaluation.benchmarks == ("heldout",), "tasks that came later count in the next init"


def test_regions_of_a_file_stay_and_must_lie_in_the_program(iterpref):
    fenced = ROWS[1] | {name: f"So:\n```python\n{ROWS[1][name]}```" for name in ("chosen", "rejected")}
    moved = {name: [[34, 40]] for name in REGION}
    written(Path("in.jsonl"), ROWS[0] | REGION, fenced | moved, ROWS[2])
    code, out, err = iterpref("ingest", "in.jsonl", "--format", "trl", "--out", "pairs.jsonl", "--json")
    assert (code, json.loads(out)["regions"]) == (0, 2), err
    code, out, err = iterpref("localize", "--pairs", "pairs.jsonl", "--out", "focal.jsonl", "--json")
    assert (code, json.loads(out)["given"], json.loads(out)["pairs"]) == (0, 2, 3), err
    marked = list(map(json.loads, Path("focal.jsonl").read_text().splitlines()))
    assert [pair["rejected_spans"] for pair in marked[:2]] == [REGION["rejected_spans"]] * 2
    assert [pair.get("localization") for pair in marked] == [None, None, "line_lcs"]
    written(Path("bad.jsonl"), ROWS[0] | {"rejected_spans": [[4, 999]]})
    code, _, err = iterpref("localize", "--pairs", "bad.jsonl", "--out", "o.jsonl")
    assert (code, "bad.jsonl:1: rejected_spans: [4, 999] lies outside of the program" in err) == (2, True), err
