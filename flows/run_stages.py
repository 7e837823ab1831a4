"""Run DVC's stages in the order of DVC's graph, independent stages at the same time.

Each stage runs as `dvc repro --single-item STAGE` in its own process, as it does under a plain `dvc repro`. DVC is the
only cache.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from flows.display import Say, Terminal
from flows.scheduler import run_graph
from iterpref_core.records import InputError, Params, digest_of, load_params, with_values
from tasks.dvc.commands import Commands
from tasks.dvc.graph import StageStates, survey
from tasks.dvc.storage import check_storage
from tasks.external_inputs import write_external_inputs
from tasks.git.command import check_identity
from tasks.git.source import Source, observe_source
from tasks.lock import only_run
from tasks.mlflow import sync
from tasks.mlflow.entry import CommandRecord, begin_entry
from tasks.paths import PARAMS
from tasks.profiles import write_values
from tasks.stages import find_stage, training

COMMAND = "iterpref run"


def bring_up_to_date(stages: Sequence[str], values: Mapping[str, Any], jobs: int, display: Terminal) -> Path:
    """Bring stages and everything they need up to date, and return the folder with the results.

    With `values` this happens in a git worktree, and becomes a DVC experiment. The checkout's params.yaml and results
    do not change.

    Args:
        stages: names from dvc.yaml; by default all stages.
        values: parameters to change, by dotted key.
        jobs: number of stages that run at the same time.
        display: where the run is shown.

    Raises:
        InputError: a stage refused its input or its parameters, another run uses this folder, or with `values` git does
            not know the user.
        StageError: a stage failed for another reason.
    """
    params = with_values(load_params(), values)
    with entered(stages, values, display) as (folder, source), only_run():
        write_external_inputs(params)
        found = survey(stages)
        # Nothing to run: skip DVC and MLflow, except for entries that earlier commands could not send.
        if found.stale.isdisjoint(found.graph):
            number = len(found.graph)
            display.say("1 stage is up to date" if number == 1 else f"{number} stages are up to date")
            sync.send_kept()
            display.end(folder, "")
            return folder
        from tasks.early_checks import check_early  # a run with nothing to do need not load it

        check_early(found.may_run, params)
        check_storage(params, sum(find_stage(name)[0] is training.STAGE for name in found.may_run))
        entry = begin_entry(COMMAND, params, source or observe_source(), page=display.page())
        with sync.logged_command(entry):
            run_stages(found, params, entry, jobs, display, copied=source is not None)
        if source is not None:
            name = f"run-{source.state}"
            Commands().save_experiment(name, next(reversed(found.graph)), {})
            display.say(f"experiment {name}: `dvc exp apply {name}` brings its parameters and results here")
        display.end(folder, entry.key)
        return folder


@contextmanager
def entered(
    stages: Sequence[str], values: Mapping[str, Any], display: Terminal
) -> Iterator[tuple[Path, Source | None]]:
    """Change to the folder that has these values: the current one, or a worktree of it for these stages.

    Yields:
        The folder, and for a worktree the code and parameters that it was made of.
    """
    if not values:
        yield Path.cwd(), None
        return
    from tasks.git.worktree import take_snapshot, worktree_of

    check_identity()
    snapshot = take_snapshot(display.say)
    with worktree_of(snapshot, digest_of(dict(values), 12), display.say, stages) as folder, chdir(folder):
        write_values(values)
        yield folder, snapshot.source.with_values(values)


def run_stages(
    found: StageStates, params: Params, entry: CommandRecord, jobs: int, display: Terminal, *, copied: bool
) -> None:
    """Run the stages of the current folder, each in its own process, and add their results to the entry.

    In a copy the code stays as it is; elsewhere the user may commit or edit code of later stages meanwhile.

    Raises:
        InputError: params.yaml was edited since the run began, so later stages would use other values than the entry.
    """
    graph = found.graph
    text = b""
    stale = set(found.stale)
    commands = Commands()

    def work(name: str, share: dict[str, str]) -> bool:
        def reproduce(say: Say) -> bool:
            # A stage after a stale one may be stale by now. All others skip DVC, whose start takes most of a second.
            if name not in stale and stale.isdisjoint(graph[name]):
                return False
            stale.add(name)
            nonlocal text
            if (present := PARAMS.read_bytes()) != text and load_params() != params:
                raise InputError(
                    f"{PARAMS}: was edited since this run began, and {name} would use the new values; run again, or "
                    "undo the edit first. Finished stages are kept"
                )
            text = present
            # DVC accepts this global flag only before the command.
            command = ["--wait-for-lock", "repro", "--single-item", name]
            begun = len(entry.sources) - 1
            times = commands.run(name, command, share, say)
            if times:
                if not copied:
                    entry.observe(observe_source())
                entry.add([name], times, begun=begun)
                sender.submit(sync.write_entry, entry)
            return bool(times)

        return display.show(name, graph[name], reproduce)

    # Importing MLflow and creating its tables takes seconds. A thread does it, so that the next stages can start.
    with commands.forking(len(found.may_run)), ThreadPoolExecutor(1) as sender:
        futures = run_graph(graph, jobs, work, commands.end)
        sender.shutdown(cancel_futures=True)  # the end of the command sends all of it
    # Stages that were up to date are part of the row as well: it has the scores of all models.
    entry.add((name for name, future in futures.items() if future.exception() is None))
    # Raise the error of the first stage that failed, after all running stages have ended.
    for future in futures.values():
        future.result()
