"""Experiment copy: one copy of the workspace, whose params.yaml goes from one DVC experiment to the next.

A large model is checked out once; DVC's cache has what earlier runs have computed. The workspace's own files stay.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from iterpref_core.config import Benchmark, load_params
from iterpref_core.errors import InputError
from iterpref_core.objectives.objectives import ObjectiveName
from tasks.common.paths import LOCK, PARAMS, STATE
from tasks.grids.dvc_experiments import Experiments
from tasks.orchestration.experiment_run import clear_crashed_run
from tasks.orchestration.run_options import UNCHANGED, Choice
from tasks.orchestration.workspace_lock import only_one
from tasks.orchestration.workspaces import copied, graph_objectives


@contextmanager
def experiment_copy(
    what: str, objectives: Sequence[ObjectiveName], benchmarks: Sequence[Benchmark], profile: str = UNCHANGED
) -> Iterator[tuple[Experiments, tuple[ObjectiveName, ...]]]:
    """Make a copy of the present folder, in which experiments happen, the present one.

    Args:
        what: happens there, such as `sweep`: the copy's name.
        objectives: to train; none for those of dvc.yaml.
        benchmarks: to evaluate on.
        profile: whose values replace those of params.yaml.

    Yields:
        The workspace's experiments, and the objectives.

    Raises:
        InputError: the same happens here already; the folder has no commit, or its params.yaml asks for several
            samples.
    """

    def refuse(holder: str) -> None:
        raise InputError(f"process {holder} already runs `iterpref {what}` here; wait for it or end it")

    with only_one(STATE / f"{what}.lock", refuse):
        workspace = Path.cwd()
        if (samples := load_params().evaluation.samples) > 1:
            raise InputError(
                f"{PARAMS}: evaluation.samples is {samples}, and `iterpref {what}` compares which problems were solved "
                "by one greedy answer; set it to 1"
            )
        listed = graph_objectives()
        added = set(objectives) - set(listed)
        # An experiment that is applied brings its dvc.yaml: it is the workspace's own as long as that will do.
        trained = (*listed, *sorted(added)) if added else ()
        choice = Choice(profile=profile, objectives=trained, benchmarks=tuple(benchmarks))
        with copied(choice, what):
            clear_crashed_run()
            _take_lock(workspace)
            yield Experiments(workspace), tuple(dict.fromkeys(objectives)) or listed


def _take_lock(workspace: Path) -> None:
    """Let DVC's lock say of all stages what the workspace's says: here an earlier one may have run others.

    They have to be in an experiment: `dvc exp apply` removes the outputs of stages that are not, and fails.
    """
    if (workspace / LOCK).is_file():
        shutil.copyfile(workspace / LOCK, LOCK)
    else:
        LOCK.unlink(missing_ok=True)
