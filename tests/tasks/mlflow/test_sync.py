"""MLflow: a run for a command, its stages nested in it, each once, whatever was away or refused."""

import errno
import math
import shlex
import shutil
import sqlite3
import subprocess
from contextlib import chdir, closing, suppress
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from benchmarks.pipeline import stage_intervals
from iterpref_core.records import digest_of, load_params, read_yaml
from tasks.doctor import examine_services
from tasks.dvc.commands import Times
from tasks.dvc.observation import Artifact, LockedStage
from tasks.git.source import Source
from tasks.local_server import served
from tasks.mlflow import sync
from tasks.mlflow.entry import CommandRecord, FinishedStage, begin_entry, entries_folder, kept_entries, read_stage
from tasks.mlflow.pages import ADDRESS, page_of_run
from tasks.mlflow.server import Server, check_server, make_database, safe_name, tracking_uri
from tasks.mlflow.sync import _data_of, _settings, _warn, send_kept, write_entry
from tasks.prefect.server import announced
from tests.dvc_repository import init_dvc
from tests.http_server import serving
from tests.once import give_mlflow_tables
from tests.settings import ROOT

MD5 = "0123456789abcdef0123456789abcdef"
STARTED = 1_700_000_000.0
TIMES = Times(started=STARTED, ended=STARTED + 8, threads=3)
PAIRS = Artifact(path="data/pairs.jsonl", md5=MD5, size=3)
PROBLEMS = Artifact(path="data/problems.jsonl", md5=MD5, size=3)
MODEL = Artifact(path="models/trained/sft", md5=f"{MD5}.dir", size=2)
TRAINED = LockedStage(deps=(PAIRS,), outs=(MODEL,), params={"training.objectives.sft.alpha": 20.0})


@pytest.fixture(autouse=True)
def checkout(tmp_path, tmp_path_factory, monkeypatch):
    """A folder with parameters, and a database that has its tables. Signs of its name mean something in an address."""
    folder = tmp_path / "feature%2Fx 100%20 & b#1 Größe"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("TRACKING_URI", "EXPERIMENT_NAME", "EXPERIMENT_ID"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    for name in ("DVC_ROOT", "ITERPREF_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    _warn.cache_clear()
    shutil.copy2(ROOT / "params.yaml", ".")
    init_dvc(no_scm=True)
    give_mlflow_tables(tmp_path_factory, folder)
    return folder


def finished(stage, locked=None, metrics=None, times=TIMES, points=()):
    """A stage that took eight seconds here."""
    points = (*points, *((name, 0, value) for name, value in (metrics or {}).items()))
    return FinishedStage(**dict(locked or LockedStage(outs=(PAIRS,))), name=stage, times=times, points=points)


def write(*stages, of="beta=0.3", params=(), status="FINISHED", error=""):
    """Write a command."""
    params = {"a": of, **dict(params)}
    entry = CommandRecord(
        key=digest_of(params), name=of, params=params, tags={}, stages={each.name: each for each in stages},
        status=status, error=error, started=STARTED, folder=Path(),
    )  # fmt: skip
    write_entry(entry)


def runs(**values):
    """All runs by name."""
    server = Server()
    found = server.client.search_runs([server.experiment_id], max_results=2000, **values)
    assert len({run.info.run_name for run in found}) == len(found), "a run is there twice"
    return {run.info.run_name: run for run in found}


def status_of(name):
    return runs()[name].info.status


def begun(changes, command="iterpref run", **more):
    """An entry of a command that begins now; its row is named after what is different in params.yaml."""
    return begin_entry(command, load_params(), Source(changes=changes), **more)


def test_a_training_has_its_time_its_curve_and_its_parameters(checkout):
    Path("metrics/training").mkdir(parents=True)
    Path("metrics/training/sft.json").write_text('{"loss": 2.5, "pairs": 3.0}')
    Path("metrics/training/sft.curve.csv").write_text("step,loss,kl\n1,3.0,\n2,2.0,\n")
    nested = TRAINED.model_copy(update={"params": {"training.objectives.sft": {"alpha": 20.0}}})
    training = read_stage("training@sft", nested, TIMES)
    for _ in range(2):
        write(training)
    found = runs()
    run, parent = found["training@sft"], found["beta=0.3"]
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert run.data.tags["iterpref.threads"] == "3"
    assert (run.info.start_time, run.info.end_time) == (1000 * STARTED, 1000 * (STARTED + 8))
    assert stage_intervals(checkout) == [(STARTED, STARTED + 8)], "the run of the command is no stage"
    assert run.data.metrics == {"loss": 2.0, "pairs": 3.0}, "the curve's last point stands"
    assert run.data.params["training.alpha"] == "20.0"
    history = Server().client.get_metric_history(run.info.run_id, "loss")
    assert sorted((point.step, point.value) for point in history) == [(1, 3.0), (2, 2.0)]
    (read,) = run.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.digest) == ("data/pairs.jsonl", MD5)
    assert kept_entries() == []


def test_an_entry_is_kept_while_another_process_sends(monkeypatch):
    monkeypatch.setattr(sync, "_LOCK_S", 0.1)
    entries_folder().mkdir(parents=True)
    with FileLock(entries_folder() / ".lock"):
        write(finished("problems"))
    assert len(kept_entries()) == 1
    send_kept()
    assert "problems" in runs()
    assert kept_entries() == []


def test_a_model_has_its_scores_and_the_row_of_the_command_has_those_of_all():
    scores = {"heldout/pass_at_1": 0.5, "heldout/ci95_low": 0.25, "heldout/ci95_high": 0.75}
    made = finished("pairs")
    training = finished("training@sft", TRAINED)
    weak = finished("evaluation@dpo", metrics={"heldout/pass_at_1": 0.25})
    evaluated = finished("evaluation@sft", LockedStage(deps=(MODEL, PROBLEMS)), metrics=scores)
    for _ in range(2):
        write(made, training, weak, evaluated)
    server, found = Server(), runs()
    assert scores.items() <= found["evaluation@sft"].data.metrics.items()
    (model,) = server.client.search_logged_models([server.experiment_id])
    assert (model.name, model.tags["dvc.md5"]) == ("sft", f"{MD5}.dir")
    assert model.params == {"training.alpha": "20.0"}
    assert {(point.key, point.value) for point in model.metrics} == set(scores.items())
    assert {(point.dataset_name, point.dataset_digest) for point in model.metrics} == {("data/problems.jsonl", MD5)}
    assert scores.items() <= found["training@sft"].data.metrics.items(), "whoever compares trainings sees them"
    assert found["evaluation@sft"].data.params["training.alpha"] == "20.0"
    parent = found["beta=0.3"]
    assert parent.data.metrics == {"heldout/pass_at_1/sft": 0.5, "heldout/pass_at_1/dpo": 0.25}, "in one chart"
    data = {read.dataset.name: read.tags[0].value for read in parent.inputs.dataset_inputs}
    assert data == {"data/problems.jsonl": "input", "data/pairs.jsonl": "output"}
    assert [output.model_id for output in parent.outputs.model_outputs] == [model.model_id]
    write(evaluated.model_copy(update={"times": None}), of="second")
    found = runs()
    assert found["second"].data.metrics == {"heldout/pass_at_1/sft": 0.5}, "it has the scores of what it reused"
    assert len(found) == 6, "what did not run here has no row"


@pytest.mark.slow
def test_a_tracking_server_takes_what_a_database_takes(monkeypatch):
    """It refused each stage that had made no model, and the command's row."""
    stages = (finished("pairs"), finished("training@sft", TRAINED), finished("report", LockedStage(deps=(MODEL,))))
    settings = {"MLFLOW_BACKEND_STORE_URI": tracking_uri(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with served("mlflow", ["mlflow", "server", "--workers", "1"], None, settings, "/health") as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        for _ in range(2):
            write(*stages)
        assert runs().keys() == {"beta=0.3", *(stage.name for stage in stages)}
    assert kept_entries() == []


def test_each_command_has_its_own_row_and_stages_of_one_dvc_repro_share_it():
    alone = [begun({"a": 1}) for _ in range(2)]
    shared = [begun({"a": 1}, "dvc repro", process=psutil.Process()) for _ in range(2)]
    other = begin_entry("dvc repro", load_params(), Source(commit="b"), process=psutil.Process())
    assert len({entry.key for entry in (*alone, *shared, other)}) == 4
    assert shared[0].key == shared[1].key
    assert len({entry.tags["iterpref.state"] for entry in (*alone, *shared)}) == 1, "to group by"


def test_the_row_of_a_command_has_the_status_of_the_last_look():
    write(status="FAILED", error="training@sft: no memory")
    assert runs()["beta=0.3"].data.tags["mlflow.note.content"] == "training@sft: no memory"
    write(finished("pairs"), status="RUNNING")
    assert status_of("beta=0.3") == "RUNNING"
    write(finished("pairs"))
    found = runs()
    assert found["beta=0.3"].info.status == "FINISHED"
    assert "no memory" not in found["beta=0.3"].data.tags["mlflow.note.content"]
    write(finished("pairs"), params={"b": "other"})
    server = Server()
    assert len(server.client.search_runs([server.experiment_id])) == 4, "another command has rows of its own"


def test_one_name_stands_for_a_value_of_all_objectives():
    params = {
        f"training@{name}": {f"training.objectives.{name}.learning_rate": rate, "training.seed": 1}
        for name, rate in (("sft", 3e-4), ("target-dpo", 5e-6))
    }
    assert [_settings(finished(name, LockedStage(params=values))) for name, values in params.items()] == [
        {"training.learning_rate": rate, "training.seed": 1} for rate in (3e-4, 5e-6)
    ]


def test_a_published_benchmark_is_named_with_its_version():
    found = _data_of(finished("evaluation@sft", metrics={"mbpp+/pass_at_1": 0.5, "livecodebench/n": 3.0, "x/y": 1.0}))
    assert found["mbpp+"] == ("MbppPlus", "v0.2.0")
    assert "x" not in found


def test_a_command_that_was_killed_is_killed_and_one_that_runs_is_left_alone():
    write_entry(begun({"a": 1}))  # its process holds no lock
    assert status_of("iterpref run a=1") == "RUNNING", "nobody knows better yet"
    entry = begun({"b": 2}, "iterpref sweep")
    with sync.logged_command(entry, "stage"):
        found = runs()
        assert found["iterpref sweep b=2"].info.status == "RUNNING"
        assert found["iterpref run a=1"].info.status == "KILLED"
        assert "gone" in found["iterpref run a=1"].data.tags["mlflow.note.content"]
        write(of="meanwhile")
        assert kept_entries() == [entry.path]
        assert status_of("iterpref sweep b=2") == "RUNNING", "a command beside it leaves it alone"
        assert "MLflow: entries" not in [finding.name for finding in examine_services()], "it is under way"
    assert status_of("iterpref sweep b=2") == "FINISHED"
    assert kept_entries() == []
    assert [path.name for path in entries_folder().iterdir()] == [".lock"], "no lock of a command stays"


def test_a_row_needs_no_space_for_its_file(monkeypatch, capsys):
    def keep(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(CommandRecord, "keep", keep)
    write(finished("problems"))
    assert {"problems", "beta=0.3"} == set(runs())
    assert "is not written: OSError: [Errno 28] No space left" in capsys.readouterr().err


def test_a_command_is_there_when_it_begins_and_says_how_it_ended_and_each_page_has_the_run_on_the_other():
    page = "http://127.0.0.1:4200/runs/flow-run/1"
    ends = {"FINISHED": None, "FAILED": ValueError("no memory"), "KILLED": KeyboardInterrupt()}
    for number, (status, error) in enumerate(ends.items()):
        entry = begun({"a": number}, page=page)
        assert page_of_run(entry.key) == "", "it is not there"
        with suppress(ValueError, KeyboardInterrupt), sync.logged_command(entry, "stage"):
            run = runs()[f"iterpref run a={number}"]
            assert (run.info.status, run.data.tags["prefect.flow_run"]) == ("RUNNING", page)
            assert run.data.tags["iterpref.processor"]
            assert page_of_run(entry.key) == run.info.run_name, "nobody shows the pages"
            if error:
                raise error
        run = runs()[f"iterpref run a={number}"]
        assert run.info.status == status
        assert (run.data.tags["mlflow.note.content"] == "stage: no memory") == (status == "FAILED")
    assert kept_entries() == []
    with announced("http://127.0.0.1:5000", ADDRESS):
        page = f"http://127.0.0.1:5000/#/experiments/{Server().experiment_id}/runs/{run.info.run_id}"
        assert page_of_run(entry.key) == page


def test_what_a_server_refuses_is_kept_and_blocks_no_other_command(capsys, monkeypatch):
    from mlflow.exceptions import MlflowException

    torn = finished("validity", metrics={"killed": math.nan})
    before = Server.log

    def log(self, run_id, at, **given):
        if "model.student" in given.get("params", {}):
            raise MlflowException("Changing param values is not allowed")
        before(self, run_id, at, **given)

    with monkeypatch.context() as patch:
        patch.setattr(Server, "log", log)
        write(torn, finished("nanolab", LockedStage(params={"model.student": "x"})))
        write(finished("localization", metrics={"pairs": 3.0}), of="next")
        told = capsys.readouterr().err
        assert told.count("is not in MLflow: MlflowException: Changing param values is not allowed") == 1
        found = runs()
        assert found["localization"].data.metrics == {"pairs": 3.0}
        assert math.isnan(found["validity"].data.metrics["killed"])
        (kept,) = kept_entries()
        (listed,) = [item for item in examine_services() if item.name == "MLflow: entries"]
        assert kept.name in listed.detail
        torn_file = kept.with_name("torn.json")
        torn_file.write_text('{"command": {')
    send_kept()
    assert runs()["nanolab"].data.params["model.student"] == "x"
    assert status_of("beta=0.3") == "FINISHED"
    assert kept_entries() == [torn_file]
    assert f"{torn_file} is not in MLflow: ValidationError" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [None, 401])
def test_a_server_that_is_away_or_refuses_costs_one_warning_and_the_next_run_records(answer, monkeypatch, capsys):
    with serving(lambda *_: answer or 500) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url if answer else "http://me:s3cret@127.0.0.1:9")
        write(finished("problems", metrics={"problems": 9.0}), status="RUNNING")
        write(finished("pairs", metrics={"pairs": 3.0}))
    told = capsys.readouterr().err
    assert told.count("warning: ") == 1
    assert (f"error code {answer}" if answer else "Connection refused") in told
    assert "s3cret" not in told
    (path,) = kept_entries()
    assert "s3cret" not in path.read_text()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    write(of="next")
    found = runs()
    assert found["problems"].data.metrics["problems"] == 9.0
    assert (found["pairs"].data.metrics["pairs"], found["beta=0.3"].info.status) == (3.0, "FINISHED")
    assert kept_entries() == []


def test_a_server_that_goes_away_while_it_is_written_to_is_not_asked_for_each_entry(monkeypatch):
    asked = []

    def go_away(_, entry):
        asked.append(entry)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("tasks.mlflow.sync.send", go_away)
        for name in ("first", "second", "third"):
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            write(of=name)
    assert len(kept_entries()) == len(asked) == 3, "each command asks for one entry"


def test_what_was_set_aside_in_a_work_pool_s_clone_is_written_by_the_next_run_of_any_clone(
    tmp_path, tmp_path_factory, monkeypatch
):
    """The script of prefect.yaml that each clone begins with; then the clone is removed."""
    steps = read_yaml(ROOT / "docker/prefect.yaml")["pull"]
    script = next(step for each in steps for name, step in each.items() if name.endswith("run_shell_script"))["script"]
    give_mlflow_tables(tmp_path_factory, tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/dvc").symlink_to("/bin/true")
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "ITERPREF_CACHE": str(tmp_path / "cache")}
    for name, uri in (("first", "http://127.0.0.1:9"), ("second", f"sqlite:///{tmp_path}/mlflow.db")):
        clone = tmp_path / name
        clone.mkdir()
        subprocess.run(shlex.split(script), cwd=clone, env=environment, check=True)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with chdir(clone):
            write(finished("problems", metrics={"problems": 9.0}), of=name)
        shutil.rmtree(clone)
    server = Server()
    found = server.client.search_runs([server.experiment_id])
    assert {run.info.run_name for run in found} >= {"first", "second", "problems"}


def test_a_defect_costs_no_work_and_is_named(monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr("tasks.mlflow.sync.send", lambda *_: {}["defect"])
        write(finished("problems"))
    assert "KeyError: 'defect'" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(Server, "_find_experiment", lambda *_: {}["defect"])
        assert "cannot be used: KeyError: 'defect'" in check_server()
    write(of="next")
    assert "problems" in runs()


def test_a_database_that_is_away_costs_seconds_and_one_line(monkeypatch, capfd):
    """MLflow itself tries ten times, for 102 s, with five lines each."""
    slept = []
    monkeypatch.setattr("mlflow.store.db.utils.time.sleep", slept.append)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg2://me:word@127.0.0.1:9/runs")
    assert "Connection refused" in check_server()
    assert sum(slept) < 1
    assert capfd.readouterr() == ("", "")


def test_a_deleted_experiment_is_told_and_what_is_kept_is_sent_once_it_is_restored(capsys):
    server = Server()
    server.client.delete_experiment(server.experiment_id)
    write(finished("problems"))
    assert f"The experiment {server.experiment_id} must be in the 'active' state" in capsys.readouterr().err
    server.client.restore_experiment(server.experiment_id)
    send_kept()
    assert "problems" in runs()


@pytest.mark.parametrize(("name", "experiment"), [("", "iterpref"), ("ours", "ours")])
def test_the_environment_names_the_experiment_which_opens_as_one_of_trainings(name, experiment, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    found = Server().client.get_experiment(Server().experiment_id)
    assert (found.name, found.tags["mlflow.experimentKind"]) == (experiment, "custom_model_development")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    assert Server().experiment_id == "0"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "999")
    assert "cannot be used: there is no such experiment; correct MLFLOW_EXPERIMENT_ID=999" in check_server()


def test_a_killed_command_leaves_no_database_with_some_of_its_tables(monkeypatch):
    """MLflow refused it for ever."""
    from mlflow import MlflowClient

    tables = Path("mlflow.db").read_bytes()
    Path("mlflow.db").unlink()
    with closing(sqlite3.connect("mlflow.db")) as database:  # as a command of MLflow leaves it that is killed
        database.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    Path("mlflow.db-journal").write_bytes(b"of that file")

    def killed(uri):
        Path(uri.removeprefix("sqlite:///")).write_bytes(tables[: len(tables) // 2])
        raise KeyboardInterrupt

    def made(uri):
        """MLflow makes its tables in seconds."""
        path = Path(uri.removeprefix("sqlite:///"))
        if not path.exists():
            path.write_bytes(tables)
        return MlflowClient(uri)

    with monkeypatch.context() as patch:
        patch.setattr("mlflow.MlflowClient", killed)
        with pytest.raises(KeyboardInterrupt):
            Server()
        patch.setattr("mlflow.MlflowClient", made)
        assert check_server() == ""
        assert not Path("mlflow.db-journal").exists()
        there = Path("mlflow.db").stat()
        make_database()
        assert Path("mlflow.db").stat().st_ino == there.st_ino, "it has an experiment, and may have rows"
    Path("mlflow.db").write_text("no database")
    assert "move mlflow.db away" in check_server()


def test_a_damaged_database_that_mlflow_opens_is_told_in_one_line_with_the_remedy(capfd):
    write(finished("problems"))
    with closing(sqlite3.connect("mlflow.db")) as database:  # as one flipped bit does
        database.execute("ALTER TABLE runs RENAME COLUMN source_name TO source_nime")
    write(finished("problems"), of="beta=0.5")
    (line,) = capfd.readouterr().err.splitlines()
    assert "no such column: runs.source_name" in line
    assert "move mlflow.db away: it has the history of runs, and no results; the next run sends what is kept" in line
    assert len(kept_entries()) == 1


def test_a_team_s_experiment_stays_as_it_is_and_a_check_writes_nothing():
    import mlflow

    client = mlflow.MlflowClient(tracking_uri())
    assert (check_server(), client.get_experiment_by_name("iterpref")) == ("", None)
    made = client.create_experiment("iterpref")
    client.set_experiment_tag(made, "mlflow.note.content", "# The team's plan")
    before = client.get_experiment(made).tags
    assert check_server() == ""
    write(finished("problems"))
    assert client.get_experiment(made).tags == before


def test_relative_addresses_are_of_the_checkout(checkout, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(checkout))
    worktree = Path(".iterpref/worktrees/other")
    worktree.mkdir(parents=True)
    with chdir(worktree):
        for given, meant in (
            ("", f"sqlite:///{checkout}/mlflow.db"),
            ("sqlite:///here/my.db", f"sqlite:///{checkout}/here/my.db"),
            ("sqlite:////srv/my.db", "sqlite:////srv/my.db"),
            ("mlruns", (checkout / "mlruns").as_uri()),
            ("http://mlflow:5000", "http://mlflow:5000"),
        ):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
            assert tracking_uri() == meant


def written_report():
    Path("reports").mkdir()
    Path("reports/index.html").touch()
    locked = LockedStage(outs=(Artifact(path="reports", md5=f"{MD5}.dir", size=1),))
    return finished("report", locked, metrics={"heldout/kept/sft": 0.9, "heldout/kept_low/sft": 0.8})


@pytest.mark.parametrize("place", ["/proc/of-the-server/artifacts", "nosuchscheme://bucket/team"])
def test_a_place_that_takes_no_files_takes_nothing_else_away(place, capsys):
    Server(create=False).client.create_experiment("iterpref", place)
    write(finished("training@sft", TRAINED, metrics={"loss": 2.5}), written_report())
    found = runs()
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert found["report"].data.metrics == {"heldout/kept/sft": 0.9, "heldout/kept_low/sft": 0.8}
    assert found["beta=0.3"].data.metrics == {"heldout/pass_at_1_kept/sft": 0.9}, "beside the scores"
    assert capsys.readouterr().err.count("--serve-artifacts") == 1
    assert kept_entries() == []


def test_the_report_is_where_the_database_is_also_after_a_move_of_the_checkout(checkout, monkeypatch, capsys):
    report = written_report()
    write(report, of="before")
    assert capsys.readouterr().err == ""
    assert len(list(Path("mlartifacts").rglob("index.html"))) == 1
    assert list(checkout.parent.iterdir()) == [checkout], "nothing is where its name would lead"
    moved = checkout.rename(checkout.with_name("moved"))
    monkeypatch.chdir(moved)
    write(report.model_copy(update={"times": None}), of="after")
    found = runs()
    for run in (found["before"], found["after"]):
        assert run.info.artifact_uri.startswith(moved.as_uri())
        assert Server().client.list_artifacts(run.info.run_id, "reports")
    assert not checkout.exists()


def test_what_a_user_deleted_stays_deleted():
    from mlflow.entities import ViewType

    write(finished("problems"), of="kept")
    write(finished("pairs"), of="gone")
    server, found = Server(), runs()
    for name in ("problems", "gone"):
        server.client.delete_run(found[name].info.run_id)
    write(finished("problems"), finished("codeflow"), of="kept")
    write(finished("validity"), of="gone")
    assert set(runs()) == {"kept", "pairs", "codeflow"}
    assert set(runs(run_view_type=ViewType.DELETED_ONLY)) == {"problems", "gone"}
    assert kept_entries() == []


@pytest.mark.parametrize("name", ["a@b#", "a" * 300])
def test_mlflow_takes_every_name(name):
    server = Server()
    run_id = server.open_run("key", "run", STARTED, {}).info.run_id
    server.log(run_id, STARTED, points=[(name, 0, 1.0)], params={name: "x" * 7000}, tags={name: "x" * 9000})
    assert server.client.get_run(run_id).data.metrics == {safe_name(name): 1.0}
