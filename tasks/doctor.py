"""Check whether the machine has what the configuration needs."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

from iterpref_core.problems.composition.problem_splits import read_ingested
from iterpref_core.records import (
    BACKENDS,
    BENCHMARKS,
    InferenceParams,
    InputError,
    IterPrefError,
    Params,
    PromptFormat,
    Published,
)
from iterpref_core.storage.cores import usable_cores

from .addresses import without_passwords
from .dvc import CHOSEN_SITE_CACHE, PRIVATE_SITE_CACHE
from .dvc.graph import check_root, load_graph, name_of, opened_repo
from .dvc.storage import check_storage
from .early_checks import refusals
from .external_inputs import installed_version
from .git.command import git
from .git.files import check_hidden
from .local_server import answers
from .mlflow.entry import entries_folder, is_running, kept_entries
from .mlflow.server import check_server
from .paths import CHECKOUT, GRAPH, INGESTED
from .prefect.server import running_prefect

LOCK = CHECKOUT / "config/environments/requirements.lock"
_REINSTALL = "rm -r .venv && make install"

Status = Literal["ok", "absent", "missing"]


class Diagnosis(NamedTuple):
    """A finding. `missing`: the experiment cannot run; `absent`: it can, at a cost. `detail` contains the remedy."""

    name: str
    detail: str
    status: Status = "ok"


def _probe(name: str, look: Callable[[], object], otherwise: Status = "missing") -> Diagnosis:
    """Return what a check found, or the message of the error that it raised."""
    try:
        return Diagnosis(name, str(look()))
    except (IterPrefError, OSError) as error:  # such as a checkout that cannot be written
        return Diagnosis(name, str(error), otherwise)
    except Exception as error:  # noqa: BLE001 - a package that is broken raises anything when it is imported
        return Diagnosis(name, f"{type(error).__name__}: {error}; {_REINSTALL}", "missing")


def examine(params: Params) -> list[Diagnosis]:
    """Check machine and configuration, by trying things instead of comparing versions where possible."""
    found = [*_isolation(params), *_versions(), *examine_models(params), *_benchmarks(params)]
    found += examine_settings(params)
    found.append(_probe("plain dvc", _find_site_cache, "absent"))
    if GRAPH.is_file():
        found += [*_files(params), *examine_services()]
    found.append(_probe("accelerator", _find_accelerator, "absent"))
    return found


def examine_settings(params: Params) -> Iterator[Diagnosis]:
    """Count the stages, and report what they refuse of the settings."""
    try:
        check_root()
        graph = load_graph()
    except InputError as error:
        yield Diagnosis("experiment", str(error), "missing")
        return
    yield Diagnosis("experiment", f"{len(graph)} stages")
    refused = [Diagnosis(f"settings: {stage}", message, "missing") for stage, message in refusals(graph, params)]
    yield from refused or [Diagnosis("settings", "can be taken by every stage")]


def _files(params: Params) -> Iterator[Diagnosis]:
    """Try what a run needs of the checkout, before it works for hours."""
    yield _probe("problems", lambda: f"{len(list(read_ingested(INGESTED, set())))} of your own")
    yield _probe("inputs of stages", _find_inputs)
    yield _probe("DVC's cache", lambda: check_storage(params))
    yield _probe("DVC's remote", _find_remote, "absent")
    yield _probe("git", _find_commit, "absent")


def _find_commit() -> str:
    """Return the commit that records will name.

    Raises:
        InputError: git is not installed, refuses the folder, or was told not to see edits of a file.
    """
    check_hidden(Path())
    return git("log", "-1", "--format=commit %h").decode().strip()


def _find_inputs() -> str:
    """Report that all files are here which stages read and no stage makes.

    Raises:
        InputError: one is not here.
    """
    with opened_repo(Path()) as repo:
        made = [out.fs_path for out in repo.index.outs]
        for stage in repo.index.stages:
            for dep in stage.deps if stage.cmd else ():
                if not dep.exists and not any(Path(dep.fs_path).is_relative_to(out) for out in made):
                    raise InputError(f"{dep}: is not here, and the stage {name_of(stage)} reads it; correct {GRAPH}")
    return "are here"


def _find_remote() -> str:
    """Return DVC's remote.

    Raises:
        InputError: none is set, or its folder is not there.
    """
    with opened_repo(Path()) as repo:
        name = repo.config["core"].get("remote")
        url = repo.config["remote"].get(name, {}).get("url", "")
        if not name or ("://" not in url and not Path(repo.root_dir, ".dvc", url).exists()):
            raise InputError(f"{url or 'no remote'}: is not there; `dvc push` makes a folder, or name another remote")
    return without_passwords(url)


def _find_site_cache() -> str:
    """Return where `dvc` keeps digests if the user starts it.

    Raises:
        IterPrefError: other users can write there.
    """
    from dvc.config import Config, ConfigError

    settings = Path(".dvc")
    try:
        named = Config(str(settings) if settings.is_dir() else None)["core"].get("site_cache_dir")
    except ConfigError as error:
        raise InputError(f"{error}; correct .dvc/config or .dvc/config.local") from None
    if found := CHOSEN_SITE_CACHE or named:
        return str(found)
    raise IterPrefError(
        "keeps file digests in /var/tmp/dvc, where other users could plant code that your `dvc` runs; "
        f"run `dvc config --global core.site_cache_dir {PRIVATE_SITE_CACHE}`"
    )


def _isolation(params: Params) -> Iterator[Diagnosis]:
    from iterpref_core.execution import probe_isolation
    from iterpref_core.execution.isolation.tiers import HOW_TO_GET, choose

    for layer, problem in probe_isolation().items():
        if problem:
            yield Diagnosis(f"isolation: {layer}", f"{problem}; {HOW_TO_GET[layer]}", "absent")
        else:
            yield Diagnosis(f"isolation: {layer}", "holds")
    yield _probe("isolation", lambda: f"tier {choose(allow_unsafe=params.execution.allow_unsafe).tier}")


def _versions() -> Iterator[Diagnosis]:
    """Compare the packages with the lock, and import those of trainings."""
    yield Diagnosis("python", sys.version.partition(" ")[0])
    others = []
    # The lock has the packages of all extras, not only those installed here.
    for name, number in re.findall(r"(?m)^([\w.-]+)==(\S+)", LOCK.read_text(encoding="utf-8")):
        if (here := installed_version(name)) not in (None, number):
            others.append(f"{name} {here} instead of {number}")
    if others:
        yield Diagnosis("packages", f"{'; '.join(others)}; {_REINSTALL}", "absent")
    else:
        yield Diagnosis("packages", f"as in {LOCK.name}")
    # The stage comes hours after the first one, and needs the most packages.
    yield _probe("training", lambda: import_module("iterpref_core.training.trainer.train_objective") and "can start")


def examine_models(params: Params) -> Iterator[Diagnosis]:
    """Look at the models that the parameters name."""
    from iterpref_core.models.inference.endpoint import endpoint_url

    model, inference = params.model, params.inference
    here = inference.model_copy(update={"backend": "transformers"})
    yield _probe("model: student", lambda: _find_model(model.student, model.student_format, here))
    yield _probe("model: debugger", lambda: _find_model(model.debugger, model.debugger_format, inference))
    if not BACKENDS[inference.backend].local and not answers(url := f"{endpoint_url(inference)}/models"):
        remedy = "start the server or correct inference.base_url; if the server needs a key, ignore this"
        yield Diagnosis("endpoint", f"no list of models at {without_passwords(url)}: {remedy}", "absent")


def _find_model(name: str, prompt: PromptFormat, inference: InferenceParams) -> object:
    """Return where a model is, after a check of its checkpoint if that is on this machine."""
    from iterpref_core.models.inference.backend_factory import check_model
    from iterpref_core.models.pretrained.checkpoints import EMBEDDED, is_gguf
    from iterpref_core.nanolab.gguf_checkpoint import find_gguf

    if name == EMBEDDED:
        return "embedded"
    return find_gguf(name) if is_gguf(name) else check_model(name, prompt, inference)


def _benchmarks(params: Params) -> Iterator[Diagnosis]:
    """Look for the data of each benchmark, and for the environments that benchmarks and vLLM need."""
    from iterpref_core.evaluation.benchmarks.bigcodebench.environment import find_python

    rows = [BENCHMARKS[name] for name in params.evaluation.benchmarks]
    for data in dict.fromkeys(row.data for row in rows):
        if data is not None:
            yield _benchmark_data(data)
    if any(row.suite == "bigcodebench" for row in rows):
        yield _probe("BigCodeBench", find_python, "absent")


def _benchmark_data(data: Published) -> Diagnosis:
    from iterpref_core.problems.screening.benchmark_files import find_benchmark

    subject = f"data: {data.key}"
    if os.environ.get(data.variable):
        return _probe(subject, lambda: find_benchmark(data).files[0])
    remedy = f"set {data.variable} to a copy of its data, or allow the download; else it is not measured"
    return Diagnosis(subject, remedy, "absent")


def examine_services() -> Iterator[Diagnosis]:
    """Look at the servers of Prefect and MLflow, and at the entries that MLflow does not have yet."""
    none = "no server; runs are recorded in MLflow only"
    yield _probe("Prefect", lambda: without_passwords(running_prefect() or none))
    if problem := check_server():
        yield Diagnosis("MLflow", f"{problem}; runs continue, and later ones send what is missing", "absent")
    else:
        yield Diagnosis("MLflow", "answers" if os.environ.get("MLFLOW_TRACKING_URI") else "SQLite, mlflow.db")
    if waiting := [path for path in kept_entries() if not is_running(path)]:
        names = ", ".join(path.name for path in waiting)
        detail = f"not there: {names} in {entries_folder()}; the next run sends them"
        yield Diagnosis("MLflow: entries", detail, "absent")


def _find_accelerator() -> str:
    """Return the names of the GPUs.

    Raises:
        IterPrefError: the machine has no GPU.
    """
    import torch

    if not torch.cuda.is_available():
        raise IterPrefError(
            f"none; {usable_cores()} CPU cores: the embedded models need none; a model of billions of parameters does"
        )
    return ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
