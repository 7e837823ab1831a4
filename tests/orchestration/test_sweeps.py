"""The sweep: which points run, what becomes of them in DVC, Prefect and MLflow, and what a fault leaves."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.once import copy_workspace
from tests.orchestration.conftest import PATIENCE_S, Small, Wait, make_small, prefect_server

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("sweep")]

GRID = ("--objective", "sft", "--objective", "dpo", "--beta", "0.1", "--beta", "0.3", "--seed", "17", "--seed", "18")
POINTS = ["beta-0.1-seed-17", "beta-0.1-seed-18", "beta-0.3-seed-17", "beta-0.3-seed-18"]


class Swept(Small):
    """A workspace for sweeps."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.copy = path / ".iterpref" / "workspaces" / "sweep"

    def must(self, *command: str) -> str:
        """Run a command that must succeed; returns its output."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def dvc(self, *arguments: str) -> str:
        """Run a DVC command."""
        return self.must(sys.executable, "-m", "dvc", *arguments)

    def experiments(self) -> list[str]:
        """The points that are DVC experiments, without the digest in their names."""
        return sorted(re.sub("^sweep-[0-9a-f]{6}-", "", name) for name in self.names())

    def names(self) -> list[str]:
        """The names of the experiments, from the refs in which DVC keeps them: asking DVC takes seconds."""
        return self.must("git", "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps").split()

    def commit(self, name: str) -> str:
        """Of an experiment."""
        return next(line.split()[0] for line in self.must("git", "show-ref").splitlines() if line.endswith(name))

    def query(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a data base of the workspace."""
        with closing(sqlite3.connect(self.path / database)) as connection:
            return connection.execute(statement).fetchall()

    def files(self) -> dict[str, bytes]:
        """All that git does not ignore, and what DVC keeps of the workspace's own results."""
        names = self.must("git", "ls-files", "--cached", "--others", "--exclude-standard").split()
        return {name: (self.path / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def workspace(ran: Path, tmp_path_factory: pytest.TempPathFactory, wait_until: Wait) -> Iterator[Swept]:
    """A workspace in which everything has run, and the Prefect server that shows all that runs there from now on."""
    made = Swept(tmp_path_factory.mktemp("swept") / "workspace")
    copy_workspace(ran, made.path)
    with prefect_server(made.path / ".iterpref" / "prefect", wait_until) as (url, _):
        made.environment["PREFECT_API_URL"] = url
        yield made


@pytest.fixture(scope="module")
def swept(workspace: Swept) -> Swept:
    """The workspace after one sweep of two objectives, two values of beta and two seeds."""
    before = workspace.files()
    assert "dvc.lock" in before
    done = workspace.iterpref("sweep", *GRID)
    assert done.returncode == 0, done.stdout
    assert workspace.files() == before
    (workspace.path / ".iterpref" / "first.log").write_text(done.stdout, encoding="utf-8")
    return workspace


@pytest.fixture(scope="module")
def again(swept: Swept) -> str:
    """What the same sweep says, with its result as JSON, when it is asked for again and one experiment was removed."""
    swept.dvc("exp", "remove", *[name for name in swept.names() if name.endswith(POINTS[3])])
    assert swept.experiments() == POINTS[:3]
    done = swept.iterpref("sweep", *GRID, "--json")
    assert done.returncode == 0, done.stdout
    return done.stdout


def stages_run(output: str) -> list[str]:
    """Stages that a sweep ran, each after the point it belongs to; without one those that all points share."""
    found, point = [], ""
    for line in output.splitlines():
        if started := re.fullmatch(r"\S+ sweep-[0-9a-f]{6}-(\S+)", line):
            point = started[1]
        elif done := re.match(r"\S+ (\S+) +done in", line):
            found.append(f"{point} {done[1]}".strip())
    return sorted(found)


def test_every_point_is_an_experiment_and_the_workspace_stays(swept: Swept) -> None:
    output = (swept.path / ".iterpref" / "first.log").read_text(encoding="utf-8")
    assert swept.experiments() == POINTS
    shown = json.loads(swept.dvc("exp", "show", "--json"))
    points = {found["name"]: found["revs"][0]["data"] for revision in shown for found in revision["experiments"] or ()}
    assert len(points) == 4
    for name, data in points.items():
        changed = swept.must("git", "diff", "--name-only", "HEAD", swept.commit(name)).split()
        assert changed == ["dvc.lock", "params.yaml"]
        params = data["params"]["params.yaml"]["data"]
        assert f"beta-{params['training']['beta']}-seed-{params['training']['seed']}" in name
        assert params["evaluation"]["benchmarks"] == ["validation"]
        assert data["metrics"]["metrics/evaluation/dpo.json"]["data"]["outputs"] == 1
    shared = [stage for stage in stages_run(output) if "beta" not in stage]
    assert shared == ["evaluation@base"], "the workspace has not evaluated it on validation"
    assert len(stages_run(output)) == 1 + 2 + 3 * 4, (
        "it has trained the first point's models, and not evaluated them either"
    )
    assert swept.must("git", "status", "--porcelain") == "?? dvc.lock\n"
    assert swept.must("git", "stash", "list") == ""


def test_mlflow_has_a_run_for_each_point_and_prefect_the_stages(swept: Swept) -> None:
    runs = swept.query(
        "mlflow.db",
        "SELECT r.name, p.value, m.value FROM runs r JOIN tags t USING (run_uuid) JOIN params p USING (run_uuid) "
        "JOIN metrics m USING (run_uuid) WHERE t.key = 'iterpref.sweep' AND r.status = 'FINISHED' "
        "AND p.key = 'training.beta' AND m.key = 'evaluation/dpo/outputs' ORDER BY r.name",
    )
    assert [(re.sub("^sweep-[0-9a-f]{6}-", "", name), beta) for name, beta, _ in runs] == [
        (name, name.split("-")[1]) for name in POINTS
    ]
    names = {name for (name,) in swept.query(".iterpref/prefect/prefect.db", "SELECT name FROM task_run")}
    assert {"beta 0.1 seed 18: training@dpo", "beta 0.3 seed 17: evaluation@sft", "evaluation@base"} <= names
    tables = swept.query(".iterpref/prefect/prefect.db", "SELECT key FROM artifact WHERE type = 'table'")
    assert {key for (key,) in tables} == {"sweep", "sweep-points"}


def test_the_table_compares_means_over_seeds_to_the_base_model(again: str) -> None:
    result = json.loads(again[again.index("\n{") :])
    rows = {row["label"]: row for row in result["rows"]["validation"]}
    assert list(rows) == ["base", "sft, beta 0.1", "sft, beta 0.3", "dpo, beta 0.1", "dpo, beta 0.3"]
    assert rows["base"]["pass_at_1"] == 10 / 40
    row = rows["dpo, beta 0.3"]
    assert row["scores"] == [25 / 40, 26 / 40]
    assert row["difference"] == pytest.approx(15.5 / 40)
    assert row["ci95"][0] < row["difference"] < row["ci95"][1]
    assert [point["pass_at_1"]["dpo"]["validation"] for point in result["points"]] == [
        15 / 40,
        16 / 40,
        25 / 40,
        26 / 40,
    ]


def test_what_is_there_is_not_computed_again(swept: Swept, again: str) -> None:
    assert stages_run(again) == [], "a removed experiment comes back from the cache"
    assert again.count(": unchanged: sft ") == 3
    assert swept.experiments() == POINTS


def test_a_larger_grid_runs_only_its_new_points(swept: Swept, again: str) -> None:
    # As a sweep that is ended leaves it now and then: DVC itself refuses to read it.
    (swept.copy / ".dvc" / "tmp" / "rwlock").write_text('{"read": {', encoding="utf-8")
    grid = ("--objective", "sft", "--objective", "dpo", "--beta", "0.1", "--seed", "17", "--seed", "18", "--seed", "19")
    larger = swept.iterpref("sweep", *grid)
    assert stages_run(larger.stdout) == [
        f"beta-0.1-seed-19 {stage}@{name}" for stage in ("evaluation", "training") for name in ("dpo", "sft")
    ]
    assert swept.experiments() == [*POINTS[:2], "beta-0.1-seed-19", *POINTS[2:]]


def test_an_experiment_can_be_applied(swept: Swept) -> None:
    (name,) = [name for name in swept.names() if name.endswith("beta-0.3-seed-18")]
    swept.dvc("exp", "apply", name)
    try:
        assert "beta: 0.3" in (swept.path / "params.yaml").read_text(encoding="utf-8")
        assert (swept.path / "results" / "dpo" / "results.json").is_file()
        assert "up to date" in swept.dvc("status", "evaluation@dpo", "training@dpo")
        assert (swept.path / "data" / "tables").is_file(), "what the sweep did not run stays"
    finally:
        swept.must("git", "reset", "--quiet", "--hard")
        swept.must("git", "clean", "--quiet", "--force")


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_sweep_leaves_no_process_and_continues(swept: Swept, wait_until: Wait, number: signal.Signals) -> None:
    seed = str(20 + number)
    (swept.copy / "wait").write_text(f"training@dpo beta 0.3 seed {seed}", encoding="utf-8")
    grid = ("--objective", "dpo", "--beta", "0.1", "--beta", "0.3", "--seed", seed)
    before = swept.files()
    started = swept.start("sweep", *grid)
    wait_until(lambda: started.poll() is not None or any("sleep 600" in line for line in swept.stage_processes()))
    assert started.poll() is None, (swept.path / "started.log").read_text(encoding="utf-8")
    os.kill(started.pid, number)
    code = started.wait(PATIENCE_S)
    (swept.copy / "wait").unlink()
    if number == signal.SIGINT:
        assert code == 130
        wait_until(lambda: not swept.stage_processes())
    assert swept.files() == before
    done = swept.iterpref("sweep", *grid)
    assert done.returncode == 0, done.stdout
    assert not swept.stage_processes()
    assert f"beta 0.1 seed {seed}: unchanged" in done.stdout, done.stdout
    rest = [f"beta-0.3-seed-{seed} {stage}@dpo" for stage in ("evaluation", "training")]
    # What `kill -9` of the sweep leaves may finish its stage, which is then in DVC's cache.
    assert stages_run(done.stdout) in ([rest, rest[:1]] if number == signal.SIGKILL else [rest])


def test_where_a_point_fails_the_others_go_on(swept: Swept) -> None:
    (swept.copy / "fail").write_text("training@sft beta 0.5 seed 17", encoding="utf-8")
    grid = ("--objective", "sft", "--beta", "0.5", "--beta", "0.6", "--seed", "17")
    done = swept.iterpref("sweep", *grid)
    (swept.copy / "fail").unlink()
    assert done.returncode == 1, done.stdout
    assert re.search(
        r"^error: 1 of 2 points failed: sweep-\w+-beta-0.5-seed-17: .*told to fail", done.stdout, re.MULTILINE
    )
    assert "beta-0.6-seed-17" in swept.experiments()
    assert "beta-0.5-seed-17" not in swept.experiments()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--beta", "0"), "field 'betas.0': Input should be greater than 0"),
        (("--beta", "-0.1"), "field 'betas.0': Input should be greater than 0"),
        (("--objective", "dop"), "field 'objectives.0': no objective 'dop'; did you mean 'dpo'?"),
        (("--benchmark", "held-out"), "field 'benchmarks.0': Input should be 'heldout'"),
    ],
)
def test_a_typo_is_one_message_and_changes_nothing(
    swept: Swept,
    iterpref: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(swept.path)
    before = swept.files()
    code, out, err = iterpref("sweep", *given)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) == 1
    assert swept.files() == before


def test_a_folder_without_a_commit_is_refused(workspace: Swept, tmp_path: Path) -> None:
    small = make_small(tmp_path)
    small.environment["PREFECT_API_URL"] = workspace.environment["PREFECT_API_URL"]
    subprocess.run(["git", "update-ref", "-d", "HEAD"], cwd=tmp_path, check=True)
    done = small.iterpref("sweep", "--objective", "dpo")
    assert done.returncode == 2
    assert "no commit yet" in done.stdout.splitlines()[-1]
