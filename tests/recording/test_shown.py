"""What MLflow shows of a run: tables, figures, pointers to what DVC holds, a description; and the table of runs."""

import json
import math
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from iterpref_core.config import Params, load_params
from tasks.common.paths import metrics_path
from tasks.common.stage_body import run_body
from tasks.recording import previews
from tasks.recording.descriptions import describe_origin, describe_stage, model_settings
from tasks.recording.dvc_graph import Stage, dvc_md5
from tasks.recording.dvc_pointers import Pointer, pointers_page
from tasks.recording.figures import figures_page
from tasks.recording.outbox import OutboxItem
from tasks.recording.previews import CHARACTERS, RECORDS, read_preview, write_previews
from tests.settings import ROOT


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(ROOT / "params.yaml")


def write_lines(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_long_output_is_sampled_and_says_so(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "pairs.jsonl", [json.dumps({"task_id": f"t{n}"}) for n in range(1, 5001)])
    table, total = read_preview(path)
    assert total == 5000
    assert table["columns"] == ["record", "task_id"]
    assert len(table["data"]) == RECORDS
    numbers = [int(task_id.removeprefix("t")) for _, task_id in table["data"]]
    assert [record for record, _ in table["data"]] == [f"{number:,} of 5,000" for number in numbers]
    assert numbers == sorted(set(numbers))
    assert abs(sum(numbers) / RECORDS - 2500) < 5 * 5000 / math.sqrt(12 * RECORDS), "from all over the file"
    assert read_preview(path)[0] == table, "the same file has the same sample"
    assert write_previews(path, tmp_path) == {"previews/pairs.json": "a sample of 200 of 5,000 records"}
    assert json.loads((tmp_path / "previews/pairs.json").read_text(encoding="ascii")) == table


def test_a_short_output_is_shown_whole(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", ['{"a": 1}', "", '{"b": [1, {"c": "d"}], "a": null}'])
    assert read_preview(path) == (
        {"columns": ["record", "a", "b"], "data": [["1 of 2", 1, None], ["2 of 2", None, '[1, {"c": "d"}]']]},
        2,
    )


HOSTILE = [
    json.dumps({"task_id": "long", "code": "x" * 10_000_000}),
    '{"task_id": "lone", "code": "\\ud800 \\u0000 \\u001b[31m"}',
    json.dumps({"task_id": "turned", "code": "a\u202eb\u2066c\u200bd"}, ensure_ascii=False),
    '{"task_id": "numbers", "code": NaN, "big": 123456789012345678901234567890, "far": 1e999}',
    '{"task_id": "page", "code": "<script>alert(1)</script>"}',
    "[" * 200_000,
    "9" * 5000,
    "no JSON \x07",
    '"a value alone"',
    '{"": {"\\udfff": 1}}',
]


def test_whatever_records_hold_the_table_can_be_shown(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", HOSTILE)
    with path.open("ab") as file:
        file.write(b"\xff\xfe not UTF-8\n")
    folder = tmp_path / "shown"
    assert write_previews(path, folder) == {"previews/a.json": f"all {len(HOSTILE) + 1} records"}

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    text = (folder / "previews/a.json").read_text(encoding="ascii")
    table = json.loads(text, parse_constant=refuse)
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert rows[0]["code"] == "x" * CHARACTERS + "… (cut: 10,000,000 characters)"
    assert rows[1]["code"] == "\\ud800 \\u0000 \\u001b[31m"
    assert rows[2]["code"] == "a\\u202eb\\u2066c\\u200bd"
    assert (rows[3]["code"], rows[3]["big"], rows[3]["far"]) == ("NaN", "123456789012345678901234567890", "Infinity")
    assert rows[4]["code"] == "<script>alert(1)</script>"
    assert rows[5]["value"] == "[" * CHARACTERS + "… (cut: 200,001 characters)"
    assert rows[7]["value"] == "no JSON \\u0007\n"
    assert rows[8]["value"] == "a value alone"
    assert rows[9][""] == '{"\\udfff": 1}'
    assert rows[10]["value"] == "\\xff\\xfe not UTF-8\n"
    assert len(text) < 50_000


def test_weights_and_files_that_are_too_large_have_no_preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(tmp_path / "model" / "config.json", ["{}"])
    (tmp_path / "model" / "model.safetensors").write_bytes(b"\0" * 100)
    (tmp_path / "data.parquet").write_bytes(b"PAR1")
    write_lines(tmp_path / "empty.jsonl", [])
    for name in ("model", "data.parquet", "empty.jsonl"):
        assert write_previews(tmp_path / name, tmp_path / "shown") == {}
    whole = write_lines(tmp_path / "contamination.json", ['{"checked": {"heldout": 30, "mbpp": []}, "dropped": 2}'])
    names = [["1 of 3", "checked.heldout", 30], ["2 of 3", "checked.mbpp", "[]"], ["3 of 3", "dropped", 2]]
    assert read_preview(whole)[0] == {"columns": ["record", "name", "value"], "data": names}
    monkeypatch.setattr(previews, "WHOLE_BYTES", 10)
    assert write_previews(whole, tmp_path / "shown") == {}


def test_figures_are_drawn_of_curves_distributions_and_counts() -> None:
    curve = [{"step": "5", "loss": "0.7", "rewards/margins": "0.1"}, {"step": "10", "loss": "0.5"}]
    page = figures_page("training@dpo", {"loss": 0.5, "data/pair_tokens_p50": 7.0, "data/pair_tokens_p95": 9.0}, curve)
    assert page is not None
    assert page.count("<polyline") == 2
    assert "rewards/margins" in page
    assert 'class="bars"' not in page, "no counts by kind"
    page = figures_page(
        "codeflow", {"pass_rate/0": 0.3, "pass_rate/1": 0.5, "verdicts/passed": 7, "verdicts/<b>": 1, "solved": 3}, []
    )
    assert page is not None
    assert "Share of problems solved" in page
    assert page.index('<th scope="row">passed</th>') < page.index('<th scope="row">&lt;b&gt;</th>')
    assert "<b>" not in page
    assert "<script" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert figures_page("nanolab", {"student/loss": 3.1, "student/examples": 100.0}, []) is None


def test_pointers_fetch_what_dvc_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    origin = tmp_path / "the workspace"
    write_lines(origin / "in.txt", ["first"])
    stage = {"cmd": "cp in.txt pairs.jsonl", "deps": ["in.txt"], "outs": ["pairs.jsonl"]}
    (origin / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"pairs": stage}}), encoding="utf-8")
    monkeypatch.chdir(origin)

    def dvc(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)

    subprocess.run(["git", "init", "--quiet"], check=True)
    dvc("init")
    dvc("remote", "add", "--default", "beside", "https://user:secret@remote.example/store")
    dvc("repro")
    path = Path("pairs.jsonl")
    page = pointers_page("pairs", [Pointer(path, dvc_md5(path), "`previews/pairs.json`: all 1 records")], None)
    assert f"| `pairs.jsonl` | 6 | `{dvc_md5(path)}` | `previews/pairs.json`: all 1 records |" in page
    assert "`beside` (`https://remote.example/store`)" in page
    assert "secret" not in page
    (line,) = [line for line in page.splitlines() if line.startswith("dvc get")]
    path.unlink()
    monkeypatch.chdir(tmp_path)
    dvc(*shlex.split(line)[1:])
    assert path.read_text(encoding="utf-8") == "first\n"
    assert shlex.split(pointers_page("pairs", [Pointer(path, "", "")], "sweep-1").split("```")[1])[1:] == [
        "get", "--rev", "sweep-1", str(tmp_path), "pairs.jsonl",
    ]  # fmt: skip


def test_a_description_says_what_a_run_is_and_links_to_where_it_comes_from(tmp_path: Path) -> None:
    text = describe_stage("training@dpo", cached=True)
    assert text.startswith("Stage `training@dpo`. Focal preference training")
    assert text.endswith("nothing ran here.")
    assert describe_stage("tables", cached=False) == "Stage `tables`. One that dvc.yaml adds."
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    commit = "0123456789abcdef"
    assert describe_origin(commit, dirty=False, root=tmp_path, prefect=None) == "No Prefect run · commit `0123456789`"
    for address in ("git@example.org:team/code.git", "https://token@example.org/team/code"):
        subprocess.run(["git", "-C", str(tmp_path), "config", "remote.origin.url", address], check=True)
        origin = describe_origin(commit, dirty=True, root=tmp_path, prefect="http://127.0.0.1:4200/runs/flow-run/1")
        link = f"[0123456789](https://example.org/team/code/commit/{commit})"
        assert origin == f"[Prefect run](http://127.0.0.1:4200/runs/flow-run/1) · commit {link} and changes"


def test_evaluated_models_are_told_apart_by_what_they_were_trained_with(params: Params) -> None:
    assert model_settings("evaluation@base", params) == {"objective": "base"}
    assert "beta" not in model_settings("evaluation@sft", params), "it has none"
    settings = model_settings("evaluation@dpo", params)
    rate = params.training.objectives["dpo"].learning_rate
    assert settings == {"objective": "dpo", "beta": "0.1", "learning_rate": str(rate), "seed": "17"}
    assert model_settings("training@dpo", params) == {}


def test_a_stage_of_one_s_own_has_no_figures_and_is_recorded(
    workspace: Path, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    from tasks.recording.tracking import StageRun, Tracker

    write_lines(workspace / "results" / "mine" / "results.json", ["[1]"])
    tracker = Tracker()
    experiment = tracker.start_experiment(params)
    run_body("evaluation@mine", lambda: {"score": 1.0})
    run = StageRun(tracker, Stage("evaluation@mine", (), (), ("results/mine",), ()), experiment, params)
    run.finish("FINISHED")
    found = tracker.server.client.get_run(tracker.server.find(run.run_id))
    tracker.close()
    assert found.data.metrics == {"score": 1.0}
    assert found.info.status == "FINISHED"
    assert "evaluation@mine has no figures in MLflow" in caplog.text


def test_a_run_shows_its_outputs_and_the_experiment_has_the_data_sets(
    workspace: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.recording.tracking import StageRun, Tracker

    client = MlflowClient(f"sqlite:///{workspace / 'mlflow.db'}")
    client.create_experiment("iterpref", tags={"mine": "stays"})  # as before there was a view
    write_lines(workspace / "data" / "pairs.jsonl", [*HOSTILE[1:5], HOSTILE[0]])
    write_lines(workspace / "results" / "dpo" / "samples" / "heldout.jsonl", ['{"task_id": "a", "solution": "b"}'])
    score = {"available": True, "errors": {"timeout": 2}, "exceptions": {"KeyError": 3}}
    results = {"benchmarks": {"heldout": score, "mbpp": {"available": False, "reason": "absent"}}}
    write_lines(workspace / "results" / "dpo" / "results.json", [json.dumps(results)])
    tracker = Tracker()
    sent: list[OutboxItem] = []
    send = tracker.server.send
    monkeypatch.setattr(tracker.outbox._box, "_send", lambda item: (sent.append(item), send(item)))
    experiment = tracker.start_experiment(params, stages=["pairs", "training@dpo"], prefect="http://prefect/1")
    runs = []
    for name, output in (("pairs", "data/pairs.jsonl"), ("evaluation@dpo", "results/dpo")):
        run_body(name, lambda: {"heldout/pass_at_1": 0.5, "dropped/unsolved": 3, "dropped/too_long": 1})
        run = StageRun(tracker, Stage(name, (), (), (output,), ()), experiment, params, cached=True)
        run.finish("FINISHED")
        runs.append(tracker.server.find(run.run_id))
    for item in sent:
        send(item)  # as after a crash before it was noted as sent
    tracker.close()

    kept = [{file.path for file in client.list_artifacts(run)} for run in runs]
    assert kept[0] == {"figures.html", "metrics.json", "outputs.md", "previews"}
    assert kept[1] == kept[0] | {"results"}
    experiment_id = tracker.server.experiment_id
    table = client.load_table(experiment_id, "previews/pairs.json", run_ids=[runs[0]])
    assert list(table["task_id"]) == ["lone", "turned", "numbers", "page", "long"]
    assert len(client.load_table(experiment_id, "previews/samples/heldout.json", run_ids=[runs[1]])) == 1, "once"
    for number, run in enumerate(runs):
        (workspace / f"got{number}").mkdir()
        folder = Path(client.download_artifacts(run, "", str(workspace / f"got{number}")))
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        assert metrics == json.loads(metrics_path(("pairs", "evaluation@dpo")[number]).read_text(encoding="utf-8"))
    assert "KeyError" in (folder / "figures.html").read_text(encoding="utf-8")
    assert "all of it; `previews/samples/heldout.json`: all 1 records" in (folder / "outputs.md").read_text(
        encoding="utf-8"
    )

    whole = client.get_run(tracker.server.find(experiment))
    assert [item.dataset.name for item in whole.inputs.dataset_inputs] == ["data/pairs.jsonl"]
    assert whole.data.tags["mlflow.note.content"].startswith(
        "Experiment: trains dpo with model `nanolab`, beta 0.1, seed 17"
    )
    assert "[Prefect run](http://prefect/1)" in whole.data.tags["mlflow.note.content"]
    nested = client.get_run(runs[1])
    link = f"[{whole.info.run_name}](#/experiments/{experiment_id}/runs/{whole.info.run_id})"
    assert nested.data.tags["mlflow.note.content"].endswith(link)
    tags = client.get_experiment(experiment_id).tags
    assert tags["mine"] == "stays"
    state = json.loads(json.loads(tags["mlflow.sharedViewState.models"])["state"])
    (row,) = client.search_runs([experiment_id], state["searchFilter"], order_by=[f"{state['orderByKey']} DESC"])
    assert row.info.run_id == runs[1], "evaluated models alone"
    has = {"params": row.data.params, "metrics": row.data.metrics, "tags": row.data.tags}
    columns = [column.partition(".")[::2] for column in state["selectedColumns"]]
    there = [name.strip("`") for kind, name in columns if name.strip("`") in has[kind]]
    assert there == ["experiment", "objective", "beta", "learning_rate", "seed", "heldout/pass_at_1"]
