"""Doctor: what this machine has, against what the configuration needs."""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from iterpref_core.config import WITH_WEIGHTS, Params
from iterpref_core.cores import usable_cores
from iterpref_core.errors import InputError, IterPrefError
from tasks.servers import answers

LOCK = Path("requirements.lock")
_NEEDED_GB = 5
"""The environment aside: DVC's cache, models and records of a few runs."""


class Diagnosis(BaseModel):
    """One thing that was looked at.

    `missing` stops the configured experiment; `absent` only costs something, which `remedy` names.
    """

    name: str
    status: Literal["ok", "absent", "missing"]
    found: str
    remedy: str = ""

    @property
    def blocks(self) -> bool:
        """Whether the configured experiment cannot run."""
        return self.status == "missing"

    @property
    def mark(self) -> str:
        """A sign for the table."""
        return {"ok": "✓", "absent": "–", "missing": "✗"}[self.status]


def examine(params: Params) -> list[Diagnosis]:
    """Look at everything, by trying rather than by asking for versions wherever that is possible."""
    return [
        *_isolation(params),
        *_versions(),
        *_models(params),
        _vllm(params),
        *_data(params),
        *_bigcodebench(params),
        *_services(),
        _accelerator(),
        _memory(),
        _disk(),
    ]


def _isolation(params: Params) -> Iterator[Diagnosis]:
    from iterpref_core.execution import probe_isolation
    from iterpref_core.execution.isolation import choose

    for layer in probe_isolation():
        found = "holds" if layer.available else layer.problem
        status: Literal["ok", "absent"] = "ok" if layer.available else "absent"
        yield Diagnosis(
            name=f"isolation: {layer.name}", status=status, found=found, remedy="" if layer.available else layer.how
        )
    try:
        plan = choose(allow_unsafe=params.execution.allow_unsafe)
        yield Diagnosis(name="isolation", status="ok", found=f"tier {plan.tier}")
    except IterPrefError as error:
        yield Diagnosis(name="isolation", status="missing", found="too weak", remedy=str(error))


def _versions() -> Iterator[Diagnosis]:
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 11):
        yield Diagnosis(name="python", status="ok", found=python)
    else:
        yield Diagnosis(name="python", status="missing", found=python, remedy="install Python 3.11, then `make test`")
    wrong = []
    total = 0
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith("#"):
            name, _, wanted = line.strip().partition("==")
            total += 1
            found = _installed(name)
            if found.partition("+")[0] != wanted:
                wrong.append(f"{name} {found} instead of {wanted}")
    if wrong:
        remedy = "rm .venv/.installed, then `make test` installs the lock again"
        yield Diagnosis(name="packages", status="missing", found="; ".join(wrong), remedy=remedy)
    else:
        yield Diagnosis(name="packages", status="ok", found=f"{total} as in {LOCK}")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _models(params: Params) -> Iterator[Diagnosis]:

    for role, name in (("student", params.model.student), ("debugger", params.model.debugger)):
        try:
            if role == "debugger" and params.inference.backend not in WITH_WEIGHTS:
                yield _served(params)
                continue
            source = "embedded" if name == "nanolab" else _look_at(role, name, params)
            yield Diagnosis(name=f"model: {role}", status="ok", found=source)
        except InputError as error:
            yield Diagnosis(name=f"model: {role}", status="missing", found="not to be had", remedy=str(error))


def _served(params: Params) -> Diagnosis:
    """A debugger behind an endpoint, which is asked for its list of models: that costs nothing, and needs no key.

    Raises:
        InputError: a parameter of `inference`, the key or a price is missing.
    """
    from iterpref_core.inference.backend_factory import describe_endpoint
    from iterpref_core.inference.budget import Budget
    from iterpref_core.inference.local.checkpoints import name_served

    asked = params.inference
    Budget(params.budget, asked)
    found = f"{name_served(params.model.debugger, asked.backend).name_or_path}, {describe_endpoint(asked)}"
    if asked.backend == "openai" and not answers(f"{asked.base_url}/models"):
        remedy = "start the server, or correct inference.base_url"
        return Diagnosis(name="model: debugger", status="missing", found=f"{asked.base_url}: no answer", remedy=remedy)
    free = asked.backend == "openai" and not asked.price_prompt + asked.price_completion
    remedy = "costs count as 0; if calls are billed, set inference.price_prompt and price_completion" if free else ""
    return Diagnosis(name="model: debugger", status="ok", found=found, remedy=remedy)


def _look_at(role: str, name: str, params: Params) -> str:
    """A model with weights here, its hub id with a commit; of a hub id weights are looked at when they are used."""
    from iterpref_core.inference.local.checkpoints import pin_model
    from iterpref_core.inference.local.weights import check_checkpoint

    source, own = pin_model(name), role == "student"
    loaded = Path(source.name_or_path).is_dir() and (own or params.inference.backend == "transformers")
    check_checkpoint(str(source), params.model.prompt if own else "auto", loaded=loaded)
    return str(source)


def _vllm(params: Params) -> Diagnosis:
    """Only `inference.backend: vllm` needs it."""
    from iterpref_core.inference.vllm.vllm_server import find_vllm, vllm_version

    try:
        python = find_vllm()
        return Diagnosis(name="vLLM", status="ok", found=f"{vllm_version(python)} ({python})")
    except InputError as error:
        needed = "vllm" in (params.inference.backend, params.evaluation.backend)
        return Diagnosis(
            name="vLLM", status="missing" if needed else "absent", found="no environment with it", remedy=str(error)
        )


def _data(params: Params) -> Iterator[Diagnosis]:
    """Benchmarks whose data is absent are named in the report, and the rest is measured."""
    for variable, family in (
        ("HUMANEVAL_OVERRIDE_PATH", "humaneval"),
        ("MBPP_OVERRIDE_PATH", "mbpp"),
        ("LIVECODEBENCH_PATH", "livecodebench"),
    ):
        if not any(name.startswith(family) for name in params.evaluation.benchmarks):
            continue
        value = os.environ.get(variable)
        if value and Path(value).exists():
            yield Diagnosis(name=f"data: {family}", status="ok", found=value)
        elif value:
            yield Diagnosis(
                name=f"data: {family}",
                status="missing",
                found=f"{variable}: nothing is there",
                remedy=f"correct {variable}",
            )
        else:
            remedy = f"set {variable} to a copy of its data, or let it be downloaded; else it is not measured"
            yield Diagnosis(name=f"data: {family}", status="absent", found=f"{variable} is not set", remedy=remedy)


def _bigcodebench(params: Params) -> Iterator[Diagnosis]:
    """Where the environment or the data is absent, the report says so and the rest is measured."""
    from iterpref_core.evaluation.bigcodebench_environment import find_python

    if any(name.startswith("bigcodebench") for name in params.evaluation.benchmarks):
        try:
            yield Diagnosis(name="BigCodeBench", status="ok", found=str(find_python()))
        except InputError as error:
            yield Diagnosis(name="BigCodeBench", status="absent", found="no environment for it", remedy=str(error))


def _services() -> Iterator[Diagnosis]:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        yield Diagnosis(name="Prefect", status="ok", found="`iterpref run` starts a server of its own")
    elif answers(f"{url}/health"):
        yield Diagnosis(name="Prefect", status="ok", found=url)
    else:
        remedy = "start it, or unset PREFECT_API_URL; until then `iterpref run` starts its own"
        yield Diagnosis(name="Prefect", status="absent", found=f"{url} does not answer", remedy=remedy)
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").rpartition("@")[2]
    if uri.startswith("http") and not answers(f"{uri.rstrip('/')}/health"):
        yield Diagnosis(
            name="MLflow",
            status="missing",
            found=f"{uri} does not answer",
            remedy="start it or unset MLFLOW_TRACKING_URI",
        )
    else:
        yield Diagnosis(name="MLflow", status="ok", found=uri or "SQLite, mlflow.db")


def _accelerator() -> Diagnosis:
    import torch

    if torch.cuda.is_available():
        return Diagnosis(name="accelerator", status="ok", found=torch.cuda.get_device_name(0))
    cores = usable_cores()
    remedy = "the embedded models need none; a model of billions of parameters does"
    return Diagnosis(name="accelerator", status="absent", found=f"none; {cores} CPU cores", remedy=remedy)


def _memory() -> Diagnosis:
    import psutil

    free_gb = psutil.virtual_memory().available / 2**30
    enough = free_gb >= 4
    remedy = "" if enough else "the default experiment takes up to 4 GB; run with --jobs 1"
    return Diagnosis(
        name="memory", status="ok" if enough else "absent", found=f"{free_gb:.1f} GB available", remedy=remedy
    )


def _disk() -> Diagnosis:
    free_gb = shutil.disk_usage(".").free / 2**30
    enough = free_gb >= _NEEDED_GB
    remedy = "" if enough else "`dvc gc --workspace` frees what no present result needs"
    return Diagnosis(name="disk", status="ok" if enough else "absent", found=f"{free_gb:.0f} GB free", remedy=remedy)
