"""Read the order of the stages from DVC's graph, and which stages are out of date."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.records import InputError, read_yaml, unknown_name
from tasks.paths import CHECKOUT, GRAPH

Graph = dict[str, tuple[str, ...]]
"""Stage of dvc.yaml → the stages whose outputs it reads; a group with `foreach` is several stages."""
ALWAYS_CHANGED = "config/dvc.yaml:external"
"""The stage that DVC runs at each command (`tasks.external_inputs`); here it is neither listed nor stale."""
_ADVICE = {
    "config file": "correct .dvc/config or .dvc/config.local",
    "dvc.lock": "restore the file, or remove it: results come back from DVC's cache",
    "RWLock-file": "a command was killed while it wrote the file: remove it when no other one runs",
}
"""A part of DVC's message → what to do."""


def check_root() -> None:
    """Refuse a folder that is not the root of a checkout, before anything is written there.

    Raises:
        InputError: it has no dvc.yaml; the message names a folder that has one.
    """
    here = Path.cwd()
    if (here / GRAPH).is_file():
        return
    if not (CHECKOUT / GRAPH).is_file():
        raise InputError(f"{CHECKOUT / GRAPH}: is not here; `git -C {CHECKOUT} restore {GRAPH}` brings it back")
    root = next(folder for folder in (*here.parents, CHECKOUT) if (folder / GRAPH).is_file())
    raise InputError(f"no {GRAPH} in {here}: cd {root}; only the library's verbs work here")


def load_graph(root: Path = Path(), targets: Sequence[str] = ()) -> Graph:
    """Return the stages of a folder, as `describe_graph`.

    Raises:
        InputError: the folder is not a DVC repository, its dvc.yaml is broken, or it lacks a stage of `targets`.
    """
    with opened_repo(root) as repo:
        return describe_graph(repo, targets)


def describe_graph(repo: Any, targets: Sequence[str] = ()) -> Graph:
    """Return stages of an open repository in a valid order of execution.

    Args:
        repo: DVC's view of the repository.
        targets: the stages that are wanted, with all that they need; all stages if none is named. A target without `@`
            means all stages of that name: `training` for `training@sft`, `training@dpo`, …

    Raises:
        InputError: dvc.yaml lacks a stage of `targets`.
    """
    from dvc.repo.reproduce import get_active_graph, plan_repro

    # A frozen stage has no inputs: `dvc repro` cuts its edges in the same way.
    graph = get_active_graph(repo.index.graph)
    # DVC's own order: each stage after all stages that it reads from. The first one only tells DVC what has changed.
    order = [stage for stage in plan_repro(graph) if name_of(stage) != ALWAYS_CHANGED]
    wanted = set() if targets else set(order)
    for target in targets:
        named = [stage for stage in order if target in (name_of(stage), name_of(stage).partition("@")[0])]
        if not named:
            raise InputError(f"{GRAPH}: {unknown_name('stage', target, map(name_of, order))}")
        wanted.update(plan_repro(graph, named))
    return {
        name_of(stage): tuple(sorted(name_of(before) for before in graph.successors(stage) if before in order))
        for stage in order
        if stage in wanted
    }


class StageStates(NamedTuple):
    """A folder's stages.

    Attributes:
        graph: the requested stages, in a valid order of execution.
        stale: the names of all stages that are out of date, but `external`, which always is. A stage after a stale one
            may become stale when that runs.
    """

    graph: Graph
    stale: set[str]

    @property
    def may_run(self) -> list[str]:
        """The stages of the graph that are stale, and those after them."""
        found: list[str] = []
        for name, upstream in self.graph.items():
            if name in self.stale or not set(found).isdisjoint(upstream):
                found.append(name)
        return found


def survey(targets: Sequence[str] = ()) -> StageStates:
    """Look once at the stages of the present folder.

    Args:
        targets: the stages that are wanted, as for `describe_graph`.

    Raises:
        InputError: the folder is not a DVC repository, its dvc.yaml is broken, or it lacks a stage of `targets`.
    """
    with opened_repo(Path()) as repo:
        return StageStates(describe_graph(repo, targets), set(repo.status()) - {ALWAYS_CHANGED})


@contextmanager
def opened_repo(root: Path) -> Iterator[Any]:
    """Open DVC's view of a repository, and keep other processes of DVC from writing there meanwhile.

    When a stage ends, DVC rewrites the whole dvc.lock. Without the lock, a stage that ends at the same time would read
    half of the file. DVC holds no lock while a stage's command runs, so that the command itself can come here.

    Raises:
        InputError: the folder is not a DVC repository, its dvc.yaml is broken, or another command of DVC is running.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo, lock_repo
    from dvc.scm import SCMError

    from .corrections import correct_dvc

    correct_dvc()
    try:
        with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
            # DVC also finds a repository in a folder above.
            if Path(repo.root_dir) != root.resolve():
                raise InputError(f"{root.resolve()}: no `dvc init` has run here; cd {repo.root_dir}")
            yield repo
    except (NotDvcRepoError, SCMError) as error:
        raise InputError(
            f"{error}; run in the root of a copy that `git clone` makes, or here after `git init`, `dvc init`, "
            "`git add .` and `git commit`"
        ) from None
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object}: DVC takes names of files in UTF-8 alone; rename the file") from None
    except DvcException as error:
        read_yaml(root / GRAPH)  # if the file is not YAML, this names the line
        advice = next((advice for part, advice in _ADVICE.items() if part in str(error)), "`dvc status` says more")
        raise InputError(f"{str(error).rstrip('.')}; {advice}") from None


def name_of(stage: Any) -> str:
    """Return the name of a stage of DVC, or the path of a file such as `problems/mine.jsonl.dvc`.

    The name of a stage in another dvc.yaml includes the path: `extra/dvc.yaml:report`. DVC's own `addressing` depends
    on the present folder, and a sweep looks at its worktrees from outside.
    """
    path = str(stage.path_in_repo)
    name = getattr(stage, "name", None)
    if not name:
        return path
    return str(name) if path == str(GRAPH) else f"{path}:{name}"
