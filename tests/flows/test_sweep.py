"""A sweep over a toy graph: points side by side, each with a card and the files of the beginning; its experiments."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from flows.display import Terminal
from flows.sweep import PointResult, plan_points, run_sweep
from iterpref_core.records import InputError, Measured, ModelResults, load_params, read_yaml, with_values
from tasks.dvc.commands import StageError
from tasks.git.source import observe_source
from tasks.grid import plan_rows
from tasks.mlflow.entry import begin_entry
from tests.dvc_repository import reproduce
from tests.evaluation.report.conftest import benchmark
from tests.flows.conftest import on_prefect, run_names
from tests.settings import PARAMS, ROOT

pytestmark = pytest.mark.timeout(1800)  # DVC starts ten times a test, on a machine that others may use

OBJECTIVES = ("sft", "target-dpo")
LOGGED = []
"""The entries that MLflow would get."""
STAGES = {
    "pairs": {
        "cmd": "python run.py pairs - 0", "deps": ["run.py"], "outs": ["shared"],
        "metrics": ["metrics/codeflow.json", "metrics/pairs.json"],
    },
    "training": {
        "foreach": {"sft": "training.objectives.sft", "target-dpo": "training.objectives.target-dpo"},
        "do": {
            "cmd": "python run.py training ${key} ${training.objectives.target-dpo.beta}",
            "deps": ["shared"], "params": ["${item}", "training.seed"], "outs": ["models/trained/${key}"],
            "metrics": ["metrics/training/${key}.json"],
        },
    },
    "evaluation": {
        "foreach": {name: f"models/trained/{name}" for name in OBJECTIVES},
        "do": {
            "cmd": "python run.py evaluation ${key} ${training.objectives.target-dpo.beta}",
            "deps": ["${item}"], "params": ["evaluation.benchmarks"],
            "outs": ["results/${key}"], "metrics": ["metrics/${key}.json"],
        },
    },
}  # fmt: skip
RUN = """
import json, os, sys, time
from pathlib import Path

from iterpref_core.records import CodeflowResult, PairsResult, TrainingResult
from tasks.gpus import reserved_gpus

OWN = {"mine": {"pairs": 23, "contaminated": 211}}
PAIRS = PairsResult(pairs=23, dropped={"cosmetic": 0}, contaminated=211, own=OWN)
TRAINED = TrainingResult(pairs=23, steps=1, model_step=1, loss=0, focal_token_share=0, data={"rows": 1})
own = reserved_gpus()
own.__enter__()
what, item, beta = sys.argv[1:]
toy = Path(os.environ["TOY"])


def note(*words):
    with (toy / "notes").open("a") as notes:
        print(what, *words, file=notes)


def write(records):
    for name, record in records.items():
        path = Path("metrics") / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record.metrics()))


note("begins", beta, os.environ["CUDA_VISIBLE_DEVICES"], Path("edited").read_text())
if what == "pairs":
    Path("shared").touch()
    write({"codeflow": CodeflowResult(), "pairs": PAIRS})
elif what == "training":
    (toy / f"{beta}.here").touch()
    deadline = time.monotonic() + 120
    while len(list(toy.glob("*.here"))) < int((toy / "together").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    code = (toy / f"{beta}.code")
    if code.exists():
        number = code.read_text()
        code.unlink()
        print(f"error: beta {beta} is bad", file=sys.stderr)
        sys.exit(int(number))
    (toy / "checkout/edited").write_text("later")
    folder = Path("models/trained")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / item).write_text(beta)
    write({f"training/{item}": TRAINED})
else:
    score = float(beta)
    solved = round(100 * score)
    verdicts = {f"t/{number}": ["passed" if number < solved else "timeout"] for number in range(100)}
    entry = {
        "available": True, "pass_at_1": score, "n": 100, "ci95": [0, 1], "errors": {}, "verdicts": verdicts,
        "passed": list(verdicts)[:solved], "data": {"name": "validation", "sha256": "abc"},
        "harness": "h-1", "limits": {}, "isolation": "i",
    }
    for path, content in (
        (Path("results") / item / "results.json", {"model": item, "benchmarks": {"validation": entry}}),
        (Path("metrics") / f"{item}.json", {"validation": score}),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
note("ends", beta)
"""


@pytest.fixture
def toy(toy_checkout, tmp_path, monkeypatch):
    """A folder with a checkout, and beside it what its stages note and obey."""
    monkeypatch.setenv("TOY", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    LOGGED.clear()
    monkeypatch.setattr("tasks.mlflow.sync.write_entry", LOGGED.append)
    (tmp_path / "together").write_text("1")
    ignored = ".iterpref/\n/shared\n/models/\n/results/\n/metrics/\n"
    toy_checkout(STAGES, {"run.py": RUN, "edited": "at first", ".gitignore": ignored})
    return tmp_path


def notes(toy, what):
    lines = (toy / "notes").read_text().splitlines()
    return [line.split()[1:] for line in lines if line.startswith(what)]


def dvc(*arguments):
    """Run a command of DVC in this process, which spares its start, and return what it prints."""
    from dvc.cli import main

    printed = StringIO()
    with redirect_stdout(printed):
        assert main(list(arguments)) == 0, printed.getvalue()
    return printed.getvalue()


def test_points_run_side_by_side_are_compared_and_leave_everything_as_it_was(iterpref, toy):
    graph = Path("dvc.yaml").read_bytes()
    reproduce("evaluation@sft")
    Path("edited").write_text("at first")
    for path in (toy / "notes", *toy.glob("*.here")):
        path.unlink()
    (toy / "together").write_text("2")
    states = set()
    for beta in (0.2, 0.6):
        values = {"training.objectives.target-dpo.beta": beta, "evaluation.benchmarks": ["validation"]}
        params = with_values(load_params(), values)
        states.add(begin_entry("iterpref sweep", params, observe_source()).tags["iterpref.state"])
    grid = ("--objective", "target-dpo", "--set", "training.beta=0.2,0.6", "--jobs", "2")
    code, out, err = iterpref("sweep", *grid, "--json")
    assert code == 0, err
    result = json.loads(out[out.index("{\n") :])
    assert result["first"] == "target-dpo beta=0.2"
    assert [(row["model"], row["pass_at_1"], round(row["difference"] or 0, 3)) for row in result["standings"]] == [
        ("target-dpo beta=0.6", 0.6, 0.4), ("target-dpo beta=0.2", 0.2, 0),
    ]  # fmt: skip
    for entry in LOGGED:
        executed = {name for name, stage in entry.stages.items() if stage.times is not None}
        assert executed == {"training@target-dpo", "evaluation@target-dpo"}, entry.name
        assert set(entry.stages) == {"pairs", *executed}
    assert len(LOGGED) == 4, "when each begins and when it ends"
    assert {entry.tags["iterpref.state"] for entry in LOGGED} == states, "the code as it was when the sweep began"
    assert notes(toy, "pairs") == [], "made before"
    assert result["notes"][0] == "Trained on 23 pairs (own pairs 23 of 234 in mine, 211 contaminated)."
    begun = [words for words in notes(toy, "training") if words[0] == "begins"]
    assert [words[0] for words in notes(toy, "training")] == ["begins", "begins", "ends", "ends"]
    assert {words[2] for words in begun} == {"3", "5"}, "a card each"
    assert {" ".join(words[3:]) for words in begun} == {"at first"}, "a later edit is in no point"
    assert Path("edited").read_text() == "later"
    assert [path.name for path in Path(".iterpref/worktrees").iterdir()] == [".list.lock"], "finished points leave none"
    Path("edited").write_text("at first")
    assert set(dvc("exp", "list", "--name-only").split()) >= set(result["experiments"])
    dvc("exp", "apply", result["experiments"][1])
    assert Path("dvc.yaml").read_bytes() == graph
    assert read_yaml(Path("params.yaml"))["training"]["objectives"]["target-dpo"]["beta"] == 0.6
    assert json.loads(Path("metrics/target-dpo.json").read_text()) == {"validation": 0.6}


@pytest.mark.slow
def test_two_sweeps_of_one_grid_at_the_same_time_train_each_point_once(toy, capsys):
    """The second one was refused each point that the first one worked on, or found its worktree gone: here of one."""

    def sweep_betas(_):
        return run_sweep(None, ("target-dpo",), {"training.beta": [0.1]}, "validation", 1, 1, Terminal())

    Path("edited").write_text("later")  # so that the stages edit nothing
    with ThreadPoolExecutor() as threads:
        first, second = threads.map(sweep_betas, range(2))
    assert first == second
    assert [row.scores.pass_at_1 for row in first.standings.rows] == [0.1]
    assert [words[0] for words in notes(toy, "training")] == ["begins", "ends"], "once"
    assert "waiting for it" in capsys.readouterr().err
    assert dvc("exp", "list", "--name-only").split() == first.experiments
    assert len(LOGGED) == 4, "when each begins and when it ends"
    assert len({entry.key for entry in LOGGED}) == 2, "a row of each sweep"
    assert len({entry.tags["iterpref.state"] for entry in LOGGED}) == 1


@on_prefect
def test_on_prefect_s_pages_one_job_is_one_point_at_a_time_and_the_scores_are_a_table(toy):
    from prefect.client.orchestration import get_client

    from flows.prefect_flows import sweep

    sweep(objectives=("target-dpo",), values={"training.beta": [0.1, 0.2]})
    assert "target-dpo beta=0.1,0.2" in run_names()
    assert [words[:2] for words in notes(toy, "training")] == [
        ["begins", "0.1"], ["ends", "0.1"], ["begins", "0.2"], ["ends", "0.2"],
    ]  # fmt: skip
    with get_client(sync_client=True) as client:
        (table,) = client.read_artifacts()
    assert [row["pass_at_1"] for row in json.loads(table.data)] == [0.2, 0.1]


def test_a_run_with_other_values_is_an_experiment_as_well_and_prints_score_and_folder(iterpref, toy, monkeypatch):
    reproduce("evaluation@sft")
    run = ("run", "evaluation@target-dpo", "--set", "training.beta=0.4")
    code, out, err = iterpref(*run)
    assert code == 0, err
    assert "Target-DPO   40.0" in out
    (folder,) = re.findall(r"(?m)^results +(\.iterpref/worktrees/\w+)$", out)
    assert (Path(folder) / "models/trained/target-dpo").read_text() == "0.4"
    (name,) = re.findall(r"`dvc exp apply (\S+)`", err)
    assert dvc("exp", "list", "--name-only").split() == [name]
    dvc("exp", "apply", name)
    assert json.loads(Path("metrics/target-dpo.json").read_text()) == {"validation": 0.4}
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{who}_NAME")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(toy / "absent"))
    code, _, err = iterpref(*run)
    assert (code, "git does not know who you are" in err) == (2, True), err


def test_a_grid_of_seeds_trains_each_of_them():
    trained = {}
    for row in plan_rows(PARAMS, None, ["dpo"], {"training.seed": [101, 102]}):
        for name, point in plan_points(row, None, "validation", 2, PARAMS, "a1b2c3d").items():
            trained[name] = point.values["training.seed"]
            assert name.endswith("-a1b2c3d"), "at another commit, and after an edit, the same grid has other names"
    assert sorted(trained.values()) == [101, 102, 103], "both rows train 102, which is one experiment"


@pytest.mark.parametrize(("failed", "code"), [(InputError("bad"), 2), (StageError("bad"), 1)])
def test_a_point_that_fails_ends_no_other_whose_scores_are_shown(iterpref, toy, monkeypatch, failed, code):
    """The points run nothing here: what a command of DVC that fails is, is tried below."""
    results = ModelResults(model="m", benchmarks={"validation": Measured(**benchmark(2, 1, "validation"))})

    def run_point(_name, row, *_):
        if row.label == "target-dpo beta=0.1":
            raise failed
        return PointResult(results, "23 pairs (own pairs 23 of 234 in mine)")

    monkeypatch.setattr("flows.sweep.run_point", run_point)
    grid = ("--objective", "target-dpo", "--set", "training.beta=0.1,0.2")
    ended, out, err = iterpref("sweep", *grid, "--json", "--format", "latex", "--out", "paper/table.tex")
    assert (ended, "1 of 2 trainings failed, the others are kept; the last: bad" in err) == (code, True), err
    result = json.loads(out[out.index("{\n") :])
    assert [row["model"] for row in result["standings"]] == ["target-dpo beta=0.2"]
    assert result["notes"][0] == "Trained on 23 pairs (own pairs 23 of 234 in mine)."
    table = Path("paper/table.tex").read_text()
    assert r"target-dpo beta=0.2 & 50.0 & [44.0, 56.0] \\" in table
    assert "Trained on 23 pairs (own pairs 23 of 234 in mine)." in table
    assert len(result["experiments"]) == 1


def test_a_training_that_fails_ends_its_sweep_with_its_reason(toy):
    reproduce("pairs")
    (toy / "0.1.code").write_text("2")
    with pytest.raises(InputError, match=r"1 of 1 trainings failed.*beta 0\.1 is bad"):
        run_sweep(None, ("target-dpo",), {"training.beta": [0.1]}, "validation", 1, 1, Terminal())
    assert [words[0] for words in notes(toy, "training")] == ["begins"]
    assert len(notes(toy, "pairs")) == 2, "it began and ended once, before the sweep"


def test_a_bad_grid_is_refused_before_anything_starts(iterpref, toy, monkeypatch):
    monkeypatch.delattr("flows.sweep.take_snapshot")  # the points would begin with it
    monkeypatch.setenv("MBPP_OVERRIDE_PATH", "/no/such.jsonl")
    Path("config").mkdir()
    shutil.copy2(ROOT / "config/ablations.yaml", "config")
    for arguments, message in (
        (("--set", "training.betta=1"), "did you mean 'training.beta'"),
        (("nonsense",), "no preset 'nonsense'"),
        (("rates", "--benchmark", "heldout"), "rates chooses settings"),
        (("--set", "evaluation.benchmarks=[heldout]"), "use --benchmark"),
        (("--set", "training.load=4bit"), "stage training@sft: params.yaml: training.load: 4bit"),
        (("--benchmark", "mbpp"), "stage evaluation@sft: MBPP_OVERRIDE_PATH=/no/such.jsonl: no such file"),
    ):
        code, _, err = iterpref("sweep", *arguments)
        assert (code, message in err) == (2, True), err
