"""Reproduction: DVC's stages in the order of DVC's graph, independent ones at the same time.

A stage runs as `dvc repro --single-item STAGE` in a process of its own, as under a bare `dvc repro`. DVC is the only
cache.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from flows.display import Say, Terminal
from flows.engine import run_graph
from iterpref_core.records.config import load_params, with_values
from iterpref_core.records.digest import digest_of
from tasks.dvc.graph import Survey, frozen_line, survey
from tasks.dvc.reproduction import Commands
from tasks.early_checks import check_early
from tasks.git.source import observe_source
from tasks.git.worktree import take_snapshot, worktree_of
from tasks.lock import only_run
from tasks.mlflow import sync
from tasks.mlflow.entry import Entry, begin_entry
from tasks.profiles import write_values

COMMAND = "iterpref run"


def bring_up_to_date(stages: Sequence[str], values: Mapping[str, Any], jobs: int, display: Terminal) -> Path:
    """Bring stages, and all that they need, up to date, and return the folder that holds the results.

    With `values` this happens in a git worktree; params.yaml and results of the checkout do not change.

    Args:
        stages: names from dvc.yaml; none: the whole experiment.
        values: parameters to change, by dotted key.
        jobs: number of stages that run at the same time.
        display: where the run is shown.

    Raises:
        InputError: a stage refused its input or its parameters, or another run is here.
        StageError: a stage failed otherwise.
    """
    params = with_values(load_params(), values)
    origin = Path.cwd()
    with entered(stages, values, display) as folder, only_run():
        found = survey(stages)
        if line := frozen_line(found.graph):
            display.say(line)
        if found.stale.isdisjoint(found.graph):
            number = len(found.graph)
            display.say("1 stage is up to date" if number == 1 else f"{number} stages are up to date")
            sync.write_entry(None)
            display.end(folder, "")
            return folder
        check_early(found.may_run, params)
        with chdir(origin):  # the row is of the user's commit and changes
            entry = begin_entry(COMMAND, params, observe_source().with_values(values), page=display.page())
        with sync.logged_command(entry):
            run_stages(found, entry, jobs, display)
        display.end(folder, entry.key)
        return folder


@contextmanager
def entered(stages: Sequence[str], values: Mapping[str, Any], display: Terminal) -> Iterator[Path]:
    """Make the folder in which these values hold the present one: this one, or a worktree of it for these stages."""
    if not values:
        yield Path.cwd()
        return
    snapshot = take_snapshot(display.say)
    with worktree_of(snapshot, digest_of(dict(values), 12), display.say, stages) as folder, chdir(folder):
        write_values(values)
        yield folder


def run_stages(found: Survey, entry: Entry, jobs: int, display: Terminal) -> None:
    """Run the present folder's stages, each in a process of its own, and add their results to the entry."""
    graph = found.graph
    stale = set(found.stale)
    commands = Commands()

    def work(name: str, share: dict[str, str]) -> bool:
        def reproduce(say: Say) -> bool:
            # A stage after one that was stale may be stale by now. Any other spares the start of DVC, most of a second.
            if name not in stale and stale.isdisjoint(graph[name].upstream):
                return False
            stale.add(name)
            # The global flag stands before the command: DVC knows it nowhere else.
            command = ["--wait-for-lock", "repro", "--single-item", name]
            times = commands.run(name, command, share, say)
            if times:
                entry.add([name], times)
                sender.submit(sync.write_entry, entry)
            return bool(times)

        return display.show(name, graph[name].upstream, reproduce)

    # To import MLflow and to make its tables takes seconds: the stages that come next do not wait for that.
    with ThreadPoolExecutor(1) as sender:
        futures = run_graph({name: stage.upstream for name, stage in graph.items()}, jobs, work, commands.end)
    entry.add((name for name, future in futures.items() if future.exception() is None))
    for future in futures.values():
        future.result()
