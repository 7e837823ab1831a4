"""The experiment over a graph of toy stages: what runs, what is cached, what a failure says, what Prefect shows."""

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from flows.display import Terminal
from flows.run_stages import bring_up_to_date
from iterpref_core.records import InputError
from tasks.dvc.commands import Commands, StageError, explain_failure
from tests.flows.conftest import on_prefect, run_names

STAGES = {
    "first": {"cmd": "sh run.sh first", "deps": ["run.sh", "input"], "outs": ["first"]},
    "left": {
        "cmd": "sh run.sh left", "deps": ["first"], "params": ["training.objectives.dpo.beta"], "outs": ["left"],
    },
    "right": {"cmd": "sh run.sh right", "deps": ["first"], "outs": ["right"]},
}  # fmt: skip
RUN = """
echo "$1 $CUDA_VISIBLE_DEVICES $ITERPREF_COMMAND" >> $TOY/ran
test "$1" != "$(cat $TOY/failing)" || { echo "error: $1 has no input" >&2; exit $(cat $TOY/code); }
test "$(cat $TOY/killed)" != "$1" || kill -9 $$
cat input params.yaml > $1
"""


@pytest.fixture
def toy(toy_checkout, tmp_path, monkeypatch):
    """A folder with a checkout of three stages, and beside it what they note and obey."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setenv("TOY", str(tmp_path))
    monkeypatch.setattr("tasks.mlflow.sync.write_entry", lambda *_: None)
    for name in ("ran", "failing", "code", "killed"):
        (tmp_path / name).write_text("")
    toy_checkout(STAGES, {"run.sh": RUN, "input": "1", ".gitignore": ".iterpref/\n"}, "toy")
    return tmp_path


def run_flow(**given):
    from flows.prefect_flows import experiment

    return str(experiment(**given))


def run(*stages):
    """Run what the flow runs, without Prefect."""
    bring_up_to_date(stages, {}, 2, Terminal())


def ran(toy):
    """The stages that have run since the last call."""
    lines = (toy / "ran").read_text().split("\n")[:-1]
    (toy / "ran").write_text("")
    return [line.split()[0] for line in lines]


def states_of_tasks():
    """Return the names and states of the tasks that Prefect shows, once it has heard of all."""
    from prefect.client.orchestration import get_client

    found = set()
    deadline = time.monotonic() + 300
    while len(found) < 2 * len(STAGES) - 1 and time.monotonic() < deadline:
        with get_client(sync_client=True) as client:
            found = {(task.name, str(task.state_name)) for task in client.read_task_runs() if task.name in STAGES}
        time.sleep(0.2)
    return found


@on_prefect
def test_only_what_changed_runs_on_a_card_of_its_own(toy, monkeypatch):
    monkeypatch.setattr("flows.prefect_display.page_of_run", lambda key: f"{'its' if key else 'no'} page")
    assert run_flow() == str(toy / "toy")
    _the_pages_show_where_the_results_are(f"results in {toy / 'toy'}")
    lines = (toy / "ran").read_text().splitlines()
    assert set(lines) == {f"{stage} 7 iterpref" for stage in STAGES}, "stages know that a command logs them"
    assert ran(toy)[0] == "first"
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert f"iterpref run {commit[:7]}" in run_names()
    run_flow()
    assert ran(toy) == []
    run_flow(values={"training.beta": 0.3})
    assert ran(toy) == ["left"], "in a worktree, with the results of the checkout"
    cached = {("first", "Cached"), ("right", "Cached")}
    assert states_of_tasks() == {(name, "Completed") for name in STAGES} | cached
    assert "iterpref run beta=0.3" in run_names()
    assert "beta: 0.1" in Path("left").read_text()


def _the_pages_show_where_the_results_are(outcome):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        (artifact,) = client.read_artifacts()
        (run,) = client.read_flow_runs()
    assert artifact.flow_run_id == run.id
    assert outcome in artifact.data
    assert run.state.message.startswith(outcome), "the last line of its log"
    assert "; in MLflow: its page" in run.state.message


def test_the_form_of_prefect_s_page_begins_with_a_mapping_of_values():
    from prefect.utilities.callables import parameter_schema

    from flows.prefect_flows import experiment, sweep

    for flow in (experiment, sweep):
        values = parameter_schema(flow.fn).properties["values"]
        assert (values["type"], values["default"]) == ("object", {})


def test_without_a_server_the_same_stages_run_with_their_lines(toy, monkeypatch, capsys):
    from flows.cli import run_verbs

    noted = []

    def write_entry(entry):
        if entry is None:  # the second run has nothing to say
            return
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and "left" not in (toy / "ran").read_text():
            time.sleep(0.05)
        noted.append((toy / "ran").read_text())

    monkeypatch.setattr("tasks.mlflow.sync.write_entry", write_entry)
    run_verbs.run(["left"])  # two stages: DVC starts for each
    assert ran(toy) == ["first", "left"]
    assert "left" in noted[0], "a stage does not wait until MLflow has the one before"
    told = capsys.readouterr()
    assert "first: Running stage 'first':" in told.err
    assert not re.search(r"lock file|git add", told.err), "of DVC's own lines only that one"
    assert "time" in told.out
    assert "Running stage" not in told.out
    run_verbs.run(["left"])
    assert "2 stages are up to date" in capsys.readouterr().err


@on_prefect
def test_a_failed_stage_says_why_and_what_was_finished_stays(toy):
    (toy / "failing").write_text("left")
    (toy / "code").write_text("2")
    with pytest.raises(InputError, match="stage left: left has no input"):
        run_flow()
    assert sorted(ran(toy)) == ["first", "left", "right"]
    (toy / "failing").write_text("")
    (toy / "killed").write_text("left")
    with pytest.raises(StageError, match=r"stage left was killed \(signal 9\)"):
        run()
    assert ran(toy) == ["left"]
    (toy / "killed").write_text("")
    run()
    assert ran(toy) == ["left"]


def test_a_command_of_dvc_that_is_at_work_is_named(toy):
    holder = {"pid": os.getppid(), "cmd": "dvc repro"}
    Path(".dvc/tmp").mkdir(exist_ok=True)
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(Path("first").resolve()): holder}}))
    with pytest.raises(InputError, match=rf"blocked by:\s+\(PID {os.getppid()}\)"):
        run("first")


@pytest.mark.parametrize(
    ("exited", "kind", "message"),
    [
        ("2", InputError, "stage x: why"),
        ("1", StageError, "stage x: why"),
        ("-9", StageError, "killed .signal 9.; the system may have run out of memory"),
        ("143", StageError, "killed .signal 15."),
    ],
)
def test_the_exit_code_of_a_stage_says_what_kind_of_failure_it_was(exited, kind, message):
    lines = ["error: why", f"ERROR: failed to reproduce 'x': failed to run: python, exited with {exited}"]
    with pytest.raises(kind, match=message):
        raise explain_failure("x", lines, 255)


def test_a_disk_that_is_full_for_dvc_itself_is_told_as_everywhere():
    with pytest.raises(InputError, match=r"^stage x: No space left on device; free some space and run again"):
        raise explain_failure("x", ["ERROR: failed to reproduce 'x': [Errno 28] No space left on device"], 255)


def commands_of(script):
    """Commands for which a shell's script stands in for DVC, whose start takes most of a second."""
    commands = Commands()
    commands._python = ["sh", "-c", script]
    return commands


def test_no_other_run_and_no_prefect_variable_get_in(monkeypatch):
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "x")
    lines = []
    assert commands_of("echo \"Running stage 'env':\"; env").run("env", (), {"A": "b"}, lines.append)
    assert "A=b" in lines
    assert not [line for line in lines if line.startswith("PREFECT__")]
    assert f"PATH={Path(sys.executable).parent}{os.pathsep}" in "\n".join(lines)


def test_what_the_user_interrupts_has_not_failed():
    commands = commands_of("echo begun; sleep 600")
    with ThreadPoolExecutor(1) as pool:
        begun = Event()
        running = pool.submit(commands.run, "long", (), {}, lambda _: begun.set())
        begun.wait()
        commands.end()
    assert isinstance(running.exception(), KeyboardInterrupt), "MLflow shows a point of a sweep as killed"


@on_prefect
def test_a_sweep_is_a_flow_that_ends_before_anything_is_trained_if_git_does_not_know_the_user(toy, monkeypatch):
    from flows.prefect_flows import sweep

    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(toy / "absent"))
    with pytest.raises(InputError, match="git does not know who you are"):
        sweep(objectives=("target-dpo",), values={"training.beta": [0.1, 0.2]})
    assert "target-dpo beta=0.1,0.2" in run_names()
    assert ran(toy) == []


@on_prefect
def test_a_restart_keeps_what_a_user_has_set():
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
    from prefect.client.schemas.schedules import CronSchedule

    from flows.prefect_flows import sweep
    from flows.serve import deployment_of

    with get_client(sync_client=True) as client:
        made = deployment_of(sweep).apply()
        nightly = DeploymentScheduleCreate(schedule=CronSchedule(cron="40 1 * * *", timezone="Europe/Berlin"))
        client.create_deployment_schedules(made, [(nightly.schedule, True)])
        client.update_deployment(made, DeploymentUpdate(paused=True, tags=["team"], parameters={"seeds": 3}))
        before = client.read_deployment(made)
        assert deployment_of(sweep).apply() == made
        after = client.read_deployment(made)
    assert (len(after.schedules), after.paused, after.tags, after.parameters) == (1, True, ["team"], {"seeds": 3})
    assert after.parameter_openapi_schema == before.parameter_openapi_schema
