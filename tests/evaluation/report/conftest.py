"""A small experiment's worth of what the stages leave behind, with numbers chosen by hand; and a browser."""

import csv
import hashlib
import json
from functools import partial
from types import SimpleNamespace

import pytest

from iterpref_core.evaluation.report.report import build_report
from iterpref_core.evaluation.report.summary import build_summary
from iterpref_core.records import FocalSpans, PreferencePair, Sample
from iterpref_core.records.config import load_params
from iterpref_core.records.stage_results import CodeflowResult, LocalizationResult, PairsResult, ValidityResult
from iterpref_core.storage.jsonl import write_jsonl
from tests.settings import ROOT

HELDOUT = 200
PASSED = {"base": 70, "sft": 150, "dpo": 40, "rpo": 140, "target-dpo": 90, "target-rpo": 160, "debugger": 190}
HOSTILE = "<script>document.title = 'owned'</script>"

OVERLAP = {"pairs": 2, "dropped": 2, "absent": {"mbpp": "no file"}, "benchmarks": {}}


def overlap_of(tasks, overlapping, pairs=1, sha256="0"):
    """The overlap with a benchmark in the form of contamination.json."""
    kinds = {"prompt": pairs, "example": 0, "ngram": 0, "ast": 0}
    about = {"file": "tasks.jsonl", "sha256": sha256, "tasks": tasks, "pairs": pairs}
    return {**about, **kinds, "examples": [], "overlapping": list(overlapping)}


def benchmark(n, passed, data):
    """A measured benchmark in the form of results.json; tasks are solved in order, the easiest first."""
    share = passed / n
    errors = {"wrong_answer": (n - passed) // 2, "exception": (n - passed) - (n - passed) // 2}
    return {
        "available": True,
        "n": n,
        "pass_at_1": share,
        "ci95": [max(0.0, share - 0.06), min(1.0, share + 0.06)],
        "errors": {kind: count for kind, count in errors.items() if count},
        "exceptions": {"TypeError": errors["exception"]},
        "passed": [f"task/{number:04}" for number in range(passed)],
        "verdicts": {f"task/{number:04}": ["passed" if number < passed else "wrong_answer"] for number in range(n)},
        "data": {"name": data.partition("-")[0], "sha256": hashlib.sha256(data.encode()).hexdigest()},
        "harness": "engine-1",
        "limits": {"cpu_s": 2},
        "isolation": "bubblewrap+landlock+seccomp",
        "ground_truth": {"n": n, "passed": n, "failed": []},
    }


def mark_inside(experiment):
    """Let some held-out problems, and some of CodeFlow's, have tests that run inside."""
    for file in experiment.results.glob("*/results.json"):
        results = json.loads(file.read_text(encoding="utf-8"))
        results["benchmarks"]["heldout"]["inside"] = 12
        file.write_text(json.dumps(results), encoding="utf-8")
    codeflow = experiment.metrics / "codeflow.json"
    codeflow.write_text(json.dumps(json.loads(codeflow.read_text()) | {"inside": 7}), encoding="utf-8")


def write_results(folder, model, passed, data="heldout-1"):
    """One model's results.json: held-out and HumanEval measured, MBPP's data out of reach."""
    missing = {"available": False, "reason": "MBPP+ data: set MBPP_OVERRIDE_PATH (no network, nothing cached)"}
    benchmarks = {
        "heldout": benchmark(HELDOUT, passed, data),
        "humaneval": benchmark(164, 1, "humaneval-1"),
        "humaneval+": benchmark(164, 0, "humanevalplus-1"),
        "mbpp": missing,
        "mbpp+": missing,
    }
    path = folder / model / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"model": model, "benchmarks": benchmarks}), encoding="utf-8")
    # What the easiest tasks' programs are; the others fail.
    programs = [
        Sample(task_id=f"task/{number:04}", solution=f"def f(x):\n    return {number if number < passed else -1}\n")
        for number in range(HELDOUT)
    ]
    write_jsonl(path.parent / "samples/heldout.jsonl", programs)


def _write_metrics(folder):
    rates = [0.1, 0.8, 0.9, 0.95, 0.96, 0.97]
    codeflow = CodeflowResult(
        problems=100,
        solved=97,
        solved_but_fails_hidden=0,
        missing=0,
        no_program=0,
        pass_rate=dict(enumerate(rates)),
        llm_calls=180,
        prompt_tokens=9000,
        completion_tokens=6000,
        verdicts={"wrong_answer": 80},
        verdicts_by_iteration={0: {"wrong_answer": 80}},
        cost_usd=0.0,
    )
    dropped = {"unsolved": 3, "solved_by_draft": 10, "identical_ast": 7}
    pairs = PairsResult(pairs=80, dropped=dropped, contaminated=0)
    focal = LocalizationResult(pairs=80, empty=6, anchored=6, dropped={"empty": 0}, focal_line_share=0.31)
    validity = ValidityResult(
        problems=60,
        mutants=300,
        killed=240,
        line_coverage=0.9,
        branch_coverage=0.8,
        coverage=0.8712,
        mutation_score=0.8,
        references={"none": 2, "passed": 58},
    )
    written = {"codeflow": codeflow, "pairs": pairs, "localization": focal, "validity": validity}
    for name, result in written.items():
        (folder / f"{name}.json").write_text(json.dumps(result.metrics()), encoding="utf-8")
    for objective in ("sft", "dpo", "rpo", "target-dpo", "target-rpo"):
        _write_curve(folder / "training" / f"{objective}.curve.csv", objective)


def _write_curve(path, objective):
    """A curve for DVC's plots."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["step", "loss", "rewards/margins"])
        for step in range(5, 105, 5):
            out.writerow([step, 0.7 / (1 + step / 30), "" if objective == "sft" else step / 40])


def _write_pairs(pairs, spans):
    chosen = "def f(xs):\n    total = 0\n    for x in xs:\n        total += x * x\n    return total\n"
    rejected = chosen.replace("x * x", "x + x")
    start, end = rejected.index("        total += "), rejected.index("    return")
    prompt = f"Sum the squares. {HOSTILE}"
    records = [
        PreferencePair(task_id=f"codeflow/{number}", prompt=prompt, chosen=chosen, rejected=rejected)
        for number in range(12)
    ]
    write_jsonl(pairs, records)
    marked = ((start, end),)
    write_jsonl(
        spans, [FocalSpans(task_id=p.task_id, method="line_lcs", rejected=marked, chosen=marked) for p in records]
    )


@pytest.fixture
def experiment(tmp_path):
    """An experiment that this test may change."""
    return make_experiment(tmp_path)


def make_experiment(tmp_path):
    """A whole experiment: the paths and params `build_report` takes, and that function, waiting for its `out` alone."""
    paths = {name: tmp_path / name for name in ("results", "metrics", "data")}
    for path in paths.values():
        path.mkdir()
    for model, passed in PASSED.items():
        write_results(paths["results"], model, passed)
    _write_metrics(paths["metrics"])
    pairs, spans, lock = tmp_path / "data/pairs.jsonl", tmp_path / "data/focal.jsonl", tmp_path / "dvc.lock"
    _write_pairs(pairs, spans)
    lock.write_text(
        "schema: '2.0'\nstages:\n  pairs:\n    cmd: x\n    outs:\n"
        "    - {path: data/pairs.jsonl, hash: md5, md5: 0123abc, size: 1}\n"
        "    - {path: metrics/pairs.json, hash: md5, md5: 4567def, size: 1}\n"
        "  report:\n    cmd: y\n    outs:\n    - {path: reports/index.html, hash: md5, md5: 89ab, size: 1}\n",
        encoding="utf-8",
    )
    overlap = tmp_path / "contamination.json"
    overlap.write_text(json.dumps(OVERLAP), encoding="utf-8")
    empty = {name: tmp_path / name for name in ("problems", "trajectories", "dropped")}
    for path in empty.values():
        path.write_text("", encoding="utf-8")
    told = {"contamination": overlap, "names": None, **empty}
    params = load_params(ROOT / "params.yaml")
    return SimpleNamespace(
        root=tmp_path,
        results=paths["results"],
        metrics=paths["metrics"],
        pairs=pairs,
        spans=spans,
        lock=lock,
        params=params,
        passed=PASSED,
        write_results=partial(write_results, paths["results"]),
        build=partial(build_report, paths["results"], paths["metrics"], pairs, spans, params, lock, **told),
        summarize=partial(
            build_summary, paths["results"], paths["metrics"], params, lock, contamination=None, names=None
        ),
        told=told,
    )


RAISED = ("AttributeError", "KeyError", "NameError", "FileNotFoundError", "TypeError", "ValueError", "IndexError")


def _public(n, passed, data):
    """A measured benchmark of which some tasks are won and others lost from model to model."""
    entry = dict(benchmark(n, passed, data))
    ids = [f"{data}/{number}" for number in range(n)]
    kinds = ("wrong_answer", "exception", "timeout")
    verdicts = ["passed" if (7 * i + passed // 9) % n < passed else kinds[i % 3] for i in range(n)]
    entry["verdicts"] = {name: [verdict] for name, verdict in zip(ids, verdicts, strict=True)}
    entry["passed"] = [name for name, verdict in zip(ids, verdicts, strict=True) if verdict == "passed"]
    entry["pass_at_1"] = len(entry["passed"]) / n
    entry["errors"] = {kind: verdicts.count(kind) for kind in kinds if kind in verdicts}
    raised = entry["errors"].get("exception", 0)
    entry["exceptions"] = {name: raised // 7 + (place < raised % 7) for place, name in enumerate(RAISED)}
    return entry


def _by_difficulty(entry):
    ids = list(entry["verdicts"])
    cuts = {"easy": ids[:80], "hard": ids[200:], "medium": ids[80:200]}
    return {
        name: {"n": len(tasks), "pass_at_1": share, "ci95": [share - 0.05, share + 0.05], "errors": {}, "tasks": tasks}
        for name, tasks in cuts.items()
        for share in [sum(entry["verdicts"][task] == ["passed"] for task in tasks) / len(tasks)]
    }


def _enrich(results):
    """Every benchmark for every model."""
    for model, passed in PASSED.items():
        path = results / model / "results.json"
        found = json.loads(path.read_text(encoding="utf-8"))
        tokens = {"prompt": 9_000, "completion": 200 * passed, "per_answer": float(passed)}
        found["benchmarks"]["heldout"] |= {"tokens": tokens, "truncated": passed // 40, "cost_usd": 0.25}
        sizes = {"humaneval": 164, "humaneval+": 164, "mbpp": 378, "mbpp+": 378, "livecodebench": 300}
        sizes |= {f"bigcodebench-{part}": 148 for part in ("full-complete", "full-instruct", "hard-complete")}
        for number, (name, n) in enumerate(sizes.items()):
            data = "BigCodeBench" if name.startswith("bigcodebench") else name.rstrip("+")
            found["benchmarks"][name] = _public(n, (passed + 20 * number) * n // 400, data)
        live = found["benchmarks"]["livecodebench"]
        live["by_difficulty"] = _by_difficulty(live)
        live |= {"pass_at_5": live["pass_at_1"] + 0.05, "pass_at_5_ci95": [0, 1]}
        missing = "no interpreter of bigcodebench's environment; run `make bigcodebench`"
        found["benchmarks"]["bigcodebench-hard-instruct"] = {"available": False, "reason": missing}
        path.write_text(json.dumps(found), encoding="utf-8")


@pytest.fixture
def rich(experiment):
    """The same experiment with every benchmark."""
    _enrich(experiment.results)
    return experiment


@pytest.fixture(scope="module")
def rich_page(tmp_path_factory):
    """The page of such an experiment, which the tests of a file look at."""
    folder = tmp_path_factory.mktemp("report")
    experiment = make_experiment(folder)
    _enrich(experiment.results)
    experiment.build(folder / "reports")
    return folder / "reports/index.html"


MEASURE = """(() => {
  const root = document.documentElement, width = root.clientWidth;
  document.querySelectorAll("details").forEach(element => element.open = true);
  const wide = [...document.querySelectorAll("body *")].filter(
    element => !element.closest(".scroll, .hidden, .skip, thead")
      && element.getBoundingClientRect().right > width + 1);
  return {inner: width, scroll: root.scrollWidth, wide: wide.slice(0, 5).map(element => element.outerHTML),
    pairs: document.querySelectorAll(".pair").length};
})()"""


@pytest.fixture
def browse(browser, tmp_path):
    """Opens a page in a window of a width; returns its size, what is wider, and the number of pairs."""

    def measure(text, width):
        path = tmp_path / "opened.html"
        path.write_text(text, encoding="utf-8")
        browser.open(path, width)
        found = browser.evaluate(MEASURE)
        assert browser.complaints == []
        assert [url for url in browser.requests if not url.startswith("data:")] == [path.as_uri()]
        return found

    return measure
