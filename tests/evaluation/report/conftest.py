"""A small experiment's worth of what the stages leave behind, with numbers chosen by hand."""

import json
from collections import Counter

import pytest

from iterpref_core.evaluation.report.report import build_report
from iterpref_core.evaluation.report.summary import ReportFiles, build_summary
from iterpref_core.records import (
    CodeflowResult,
    LocalizationResult,
    PairsResult,
    PreferencePair,
    Sample,
    ValidityResult,
)
from iterpref_core.storage.jsonl import write_jsonl
from tests.settings import PARAMS

HELDOUT = 200
PASSED = {"base": 70, "sft": 150, "dpo": 40, "rpo": 140, "target-dpo": 90, "target-rpo": 160, "debugger": 190}
HOSTILE = "<script>document.title = 'owned'</script>"
ABSENT = "MBPP+ data: set MBPP_OVERRIDE_PATH (no network, nothing cached)"
OVERLAP = {
    "pairs": 2,
    "dropped": 2,
    "absent": {"mbpp": ABSENT, "livecodebench": "no file"},
    "benchmarks": {
        "heldout": {"tasks": 200, "pairs": 2, "prompt": 0, "example": 0, "ngram": 0, "ast": 2, "examples": ["held/7"]},
        "humaneval": {"pairs": 0},
    },
}
PUBLIC = {"humaneval": 164, "humaneval+": 164, "mbpp": 378, "mbpp+": 378, "livecodebench": 300} | {
    f"bigcodebench-{name}": 148 for name in ("full-complete", "full-instruct", "hard-complete")
}


def benchmark(n, passed, data, verdicts=None):
    """A measured benchmark in the form of results.json; by default tasks are solved in order, the easiest first."""
    if verdicts is None:
        failed = n - passed
        verdicts = ["passed"] * passed + ["wrong_answer"] * (failed // 2) + ["exception"] * (failed - failed // 2)
    share = verdicts.count("passed") / n
    by_task = {f"task/{number:04}": [verdict] for number, verdict in enumerate(verdicts)}
    errors = Counter(verdict for verdict in verdicts if verdict != "passed")
    return {
        "available": True,
        "n": n,
        "pass_at_1": share,
        "ci95": [max(0.0, share - 0.06), min(1.0, share + 0.06)],
        "errors": errors,
        "exceptions": {"FileNotFoundError": errors["exception"]},
        "passed": [task for task, outcome in by_task.items() if outcome == ["passed"]],
        "verdicts": by_task,
        "data": {"name": data.partition("-")[0], "sha256": data},
        "harness": "engine-1",
        "limits": {"cpu_s": 2},
        "isolation": "bubblewrap+landlock+seccomp",
        "ground_truth": {"n": n, "passed": n, "failed": []},
    }


def change(path, **fields):
    """Set fields of the held-out benchmark in a results.json."""
    results = json.loads(path.read_text())
    results["benchmarks"]["heldout"] |= fields
    path.write_text(json.dumps(results))


class Experiment:
    """The files of an experiment, which a test may change."""

    passed = PASSED
    params = PARAMS

    def __init__(self, root):
        self.root = root
        self.files = ReportFiles(*(root / name for name in ReportFiles.__dataclass_fields__))
        for model, passed in PASSED.items():
            self.write_results(model, passed)
        self._write_metrics()
        self._write_pairs()
        for name in ("problems", "trajectories", "dropped"):
            (root / name).touch()
        self.files.contamination.write_text(json.dumps(OVERLAP))
        outs = {"pairs": ("data/pairs.jsonl", "metrics/pairs.json"), "report": ("reports/index.html",)}
        stages = {name: {"outs": [{"path": path, "md5": "0123abc"} for path in paths]} for name, paths in outs.items()}
        self.files.lock.write_text(json.dumps({"schema": "2.0", "stages": stages}))

    def build(self, out, names=None, params=PARAMS):
        return build_report(params, *(names or ()), out=out, **vars(self.files))

    def summarize(self, names=None):
        return build_summary(self.files, PARAMS, names)

    def mark_inside(self):
        """Let some held-out problems, and some of CodeFlow's, have tests that run inside."""
        for path in self.files.results.glob("*/results.json"):
            change(path, inside=12)
        codeflow = self.files.metrics / "codeflow.json"
        codeflow.write_text(json.dumps(json.loads(codeflow.read_text()) | {"inside": 7}))

    def write_results(self, model, passed, data="heldout-1"):
        """One model's results.json: held-out and HumanEval measured, MBPP's data out of reach."""
        missing = {"available": False, "reason": ABSENT}
        measured = {
            "heldout": benchmark(HELDOUT, passed, data),
            "humaneval": benchmark(164, 1, "humaneval-1"),
            "humaneval+": benchmark(164, 0, "humanevalplus-1"),
        }
        self._write_benchmarks(model, measured | {"mbpp": missing, "mbpp+": missing})
        # What the easiest tasks' programs are; the others fail.
        programs = [
            Sample(task_id=f"task/{number:04}", solution=f"def f(x):\n    return {number if number < passed else -1}\n")
            for number in range(HELDOUT)
        ]
        write_jsonl(self.files.results / model / "samples/heldout.jsonl", programs)

    def _write_benchmarks(self, model, benchmarks):
        path = self.files.results / model / "results.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"model": model, "weights": f"of {model}", "benchmarks": benchmarks})
        path.write_text(text)

    def enrich(self):
        """Measure every benchmark, and the times of stages; some tasks are won and others lost from model to model."""
        self.files.times.mkdir()
        for stage, seconds in {"codeflow": "1800.0", "training@sft": "900.0"}.items():
            (self.files.times / stage).write_text(f"{seconds}\n")
        kinds = ("wrong_answer", "exception", "timeout")
        for model, passed in PASSED.items():
            missing = "no interpreter of bigcodebench's environment; run `make bigcodebench`"
            entries = {"heldout": benchmark(HELDOUT, passed, "heldout-1")}
            tokens = {"prompt": 9_000, "completion": 200 * passed, "per_answer": float(passed)}
            entries["heldout"] |= {"tokens": tokens, "truncated": passed // 40, "cost_usd": 0.25}
            for number, (name, n) in enumerate(PUBLIC.items()):
                solved = (passed + 20 * number) * n // 400
                verdicts = ["passed" if (7 * i + solved // 9) % n < solved else kinds[i % 3] for i in range(n)]
                entries[name] = benchmark(n, solved, name.rstrip("+"), verdicts)
            live = entries["livecodebench"]
            parts = {"easy": range(80), "hard": range(200, 300), "medium": range(80, 200)}
            live["by_difficulty"] = {
                part: {"n": len(tasks), "pass_at_1": passed / 200, "ci95": [0.1, 0.9], "tasks": [str(tasks)]}
                for part, tasks in parts.items()
            }
            live |= {"pass_at_5": live["pass_at_1"] + 0.05, "pass_at_5_ci95": [0.3, 0.6]}
            entries["bigcodebench-hard-instruct"] = {"available": False, "reason": missing}
            self._write_benchmarks(model, entries)

    def _write_metrics(self):
        codeflow = CodeflowResult(
            problems=100,
            solved=97,
            pass_rate=dict(enumerate([0.1, 0.8, 0.9, 0.95, 0.96, 0.97])),
            llm_calls=180,
            prompt_tokens=9000,
            completion_tokens=6000,
            verdicts={"wrong_answer": 80},
        )
        dropped = {"unsolved": 3, "solved_by_draft": 10, "cosmetic": 7}
        pairs = PairsResult(pairs=80, dropped=dropped, contaminated=0)
        focal = LocalizationResult(pairs=80, given=0, empty=6, anchored=6, dropped={"empty": 0}, focal_line_share=0.31)
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
        # Curves are for DVC's plots.
        (self.files.metrics / "training").mkdir(parents=True)
        for objective in ("sft", "dpo", "rpo", "target-dpo", "target-rpo"):
            path = self.files.metrics / "training" / f"{objective}.curve.csv"
            path.write_text("step,loss,rewards/margins\n5,0.6,0.1\n10,0.5,0.2\n")
        written = {"codeflow": codeflow, "pairs": pairs, "localization": focal, "validity": validity}
        for name, result in written.items():
            (self.files.metrics / f"{name}.json").write_text(json.dumps(result.metrics()))

    def _write_pairs(self):
        chosen = "def f(xs):\n    total = 0\n    for x in xs:\n        total += x * x\n    return total\n"
        rejected = chosen.replace("x * x", "x + x")
        marked = ((rejected.index("        total += "), rejected.index("    return")),)
        fields = {"prompt": f"Sum the squares. {HOSTILE}", "chosen": chosen, "rejected": rejected}
        names = [f"codeflow/{number}" for number in range(12)]
        pairs = [PreferencePair(task_id=name, **fields) for name in names]
        write_jsonl(self.files.pairs, pairs)
        region = {"localization": "line_lcs", "rejected_spans": marked, "chosen_spans": marked}
        write_jsonl(self.files.focal, [pair.model_copy(update=region) for pair in pairs])


@pytest.fixture
def experiment(tmp_path):
    """An experiment that this test may change."""
    return Experiment(tmp_path)


@pytest.fixture
def rich(experiment):
    """The same experiment with every benchmark."""
    experiment.enrich()
    return experiment


@pytest.fixture(scope="module")
def rich_page(tmp_path_factory):
    """The page of such an experiment, which the tests of a file look at."""
    experiment = Experiment(tmp_path_factory.mktemp("report"))
    experiment.enrich()
    experiment.build(experiment.root / "reports")
    return experiment.root / "reports/index.html"
