"""Doctor: a comparison of the machine with the needs of the configuration, and oddities of the configuration."""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from iterpref_core.cli.requirements import required_packages
from iterpref_core.records.backend_table import BACKENDS
from iterpref_core.records.benchmark_table import BENCHMARKS, Published
from iterpref_core.records.config import InferenceParams, Params
from iterpref_core.records.errors import InputError, IterPrefError
from iterpref_core.storage.cores import usable_cores
from tasks.addresses import without_passwords
from tasks.local_server import answers
from tasks.mlflow.server import check_server
from tasks.mlflow.snapshot import describe_set_aside, set_aside_folder
from tasks.prefect.server import running_prefect

CHECKOUT = Path(__file__).parents[1]
LOCK = CHECKOUT / "requirements.lock"
_NEEDED_GB = 5
"""Free disk space for DVC's cache, models and records of a few runs, without the environment."""
# Bytes of a parameter that is trained in float32: weight, gradient, and the optimizer's two moments, of 4 each.
_TRAINED_BYTES = 16

Status = Literal["ok", "absent", "missing"]


class Diagnosis(BaseModel):
    """A finding. `missing` stops the configured experiment; `absent` only costs something, which `remedy` names."""

    name: str
    status: Status
    detail: str
    remedy: str = ""

    @property
    def mark(self) -> str:
        """The sign in the table."""
        return {"ok": "✓", "absent": "–", "missing": "✗"}[self.status]


def _diagnose(name: str, detail: str, status: Status = "ok", remedy: str = "") -> Diagnosis:
    return Diagnosis(name=name, status=status, detail=detail, remedy=remedy)


def examine(params: Params) -> list[Diagnosis]:
    """Look at machine and configuration, by trying rather than by asking for versions wherever that is possible."""
    extras = list(examine_extras(params))
    found = [*_isolation(params), *_versions(), *extras]
    if any(item.status == "missing" for item in extras):
        # All other checks need these packages.
        return found
    found += examine_configuration(params)
    found += _benchmarks(params)
    if Path("dvc.yaml").is_file():
        found += examine_services()
    else:
        remedy = f"cd {CHECKOUT}; here the verbs of the library work, and none of the experiment's"
        found.append(_diagnose("experiment", f"no dvc.yaml in {Path.cwd()}: it is no checkout", "missing", remedy))
    found += _machine()
    return found


def examine_configuration(params: Params) -> list[Diagnosis]:
    """Look at the models that the parameters name, and at parameters that do not fit them."""
    return [_debugger(params), *_student(params)]


def _isolation(params: Params) -> Iterator[Diagnosis]:
    from iterpref_core.execution import probe_isolation
    from iterpref_core.execution.isolation.tiers import choose

    for layer in probe_isolation():
        if layer.problem:
            yield _diagnose(f"isolation: {layer.name}", layer.problem, "absent", layer.how)
        else:
            yield _diagnose(f"isolation: {layer.name}", "holds")
    try:
        chosen = choose(allow_unsafe=params.execution.allow_unsafe)
        yield _diagnose("isolation", f"tier {chosen.tier}")
    except IterPrefError as error:
        yield _diagnose("isolation", "too weak", "missing", str(error))


def _versions() -> Iterator[Diagnosis]:
    locked = sys.version_info[:2] == (3, 11)
    python = ".".join(map(str, sys.version_info[:3]))
    yield _diagnose("python", python if locked else f"{python}; the lock is of 3.11")
    others = []
    total = 0
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        name, _, wanted = line.partition("==")
        if not wanted or line.startswith("#"):
            continue
        total += 1
        installed = _installed_version(name)
        if installed is None or installed.partition("+")[0] != wanted:
            others.append(f"{name} {installed or 'absent'} instead of {wanted}")
    if others and locked:
        yield _diagnose("packages", "; ".join(others), "absent", "rm .venv/.installed && make .venv/.installed")
    else:
        yield _diagnose("packages", f"{total - len(others)} of {total} as in {LOCK.name}")


def examine_extras(params: Params) -> Iterator[Diagnosis]:
    """Look for the packages of each extra of the installed project."""
    of_backends = [backend.extra for backend in BACKENDS.values()]
    absent: dict[str, list[str]] = {extra: [] for extra in ("training", "evaluation", "pipeline", *of_backends, "ray")}
    needed = {"training", "evaluation", "pipeline", BACKENDS[params.inference.backend].extra}
    if params.execution.engine == "ray":
        needed.add("ray")
    for package, extra in required_packages():
        if extra in absent and _installed_version(package) is None:
            absent[extra].append(package)
    for extra, packages in absent.items():
        if packages:
            remedy = f"python -m pip install -e '.[{extra}]'"
            status: Status = "missing" if extra in needed else "absent"
            detail = f"not installed: {', '.join(packages)}"
            yield _diagnose(f"extra: {extra}", detail, status, remedy)


def _installed_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _debugger(params: Params) -> Diagnosis:
    from iterpref_core.models.inference.backend_factory import check_model, describe_endpoint
    from iterpref_core.models.pretrained.checkpoints import is_gguf
    from iterpref_core.training.nanolab.gguf_checkpoint import find_gguf

    name = params.model.debugger
    backend = BACKENDS[params.inference.backend]
    if name == "nanolab":
        return _diagnose("model: debugger", "embedded")
    try:
        if is_gguf(name):
            find_gguf(name)
        else:
            check_model(name, params.model.debugger_format, params.inference)
        where = name if backend.weights else f"{name}, {describe_endpoint(params.inference)}"
    except InputError as error:
        return _diagnose("model: debugger", "not available", "missing", str(error))
    if backend.models_path and not _lists_models(params.inference, backend.models_path):
        remedy = "start the server or correct inference.base_url; if the server needs a key, ignore this"
        return _diagnose("model: debugger", f"{where}: no list of models", "absent", remedy)
    if name == params.model.student:
        remedy = "it must repair programs that it could not write; name a stronger one: iterpref init --debugger"
        return _diagnose("model: debugger", f"{where}, the same as the student", "absent", remedy)
    return _diagnose("model: debugger", where)


def _lists_models(inference: InferenceParams, path: str) -> bool:
    from iterpref_core.models.inference.endpoint import endpoint_url

    return answers(f"{endpoint_url(inference)}{path}")


def _student(params: Params) -> Iterator[Diagnosis]:
    from iterpref_core.models.inference.backend_factory import check_model
    from iterpref_core.models.pretrained.checkpoints import is_gguf, pin_model, read_config
    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.training.model.model_limits import limit_findings
    from iterpref_core.training.nanolab.gguf_checkpoint import find_gguf

    name = params.model.student
    if name == "nanolab":
        yield _diagnose("model: student", "embedded")
        return
    try:
        if is_gguf(name):
            yield _diagnose("model: student", f"{name}, in {find_gguf(name)}")
            return
        prompt = params.model.student_format
        check_model(name, prompt, params.inference.model_copy(update={"backend": "transformers"}))
        source = str(pin_model(name))
        config = read_config(source)
        template = load_chat_template(source, prompt)
    except InputError as error:
        yield _diagnose("model: student", "not available", "missing", str(error))
        return
    yield _diagnose("model: student", source)
    trained = template.describe(params.training.answer)
    if template.remark:
        yield _diagnose("model: trained text", trained, "absent", template.remark)
    else:
        yield _diagnose("model: trained text", trained)
    if params.model.prompt == "auto" and template.plain:
        remedy = "fine for a base model; for a chat model, give a folder whose tokenizer has its template"
        yield _diagnose("model: template", "none; prompts are read as plain text", "absent", remedy)
    # Training refuses the pairs that are too long, not the bound: whether there are such pairs is for `check` to say.
    for finding in limit_findings(source, params.training.max_length):
        text, _, remedy = finding.text.rpartition("; ")
        yield _diagnose("training.max_length", text, "absent", f"{remedy}; `iterpref check` says if a pair is too long")
    if params.training.lora is None:
        yield _memory_of_training(config)


def _memory_of_training(config: object) -> Diagnosis:
    """Compare the memory that training all parameters takes with the device's memory."""
    import torch
    from transformers import AutoModelForCausalLM

    # The device "meta" holds shapes and no weights, so the largest model is counted in no time.
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    needed_gb = _TRAINED_BYTES * model.num_parameters() / 2**30
    has_gb = _memory_gb()
    detail = f"{model.num_parameters():,} parameters take {needed_gb:.1f} GB and activations; there are {has_gb:.0f}"
    if needed_gb < has_gb:
        return _diagnose("memory to train", detail)
    return _diagnose("memory to train", detail, "absent", "iterpref init --profile own-lora, or training.accelerate")


def _memory_gb() -> float:
    import psutil
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.get_device_properties(0).total_memory / 2**30)
    return float(psutil.virtual_memory().total / 2**30)


def _benchmarks(params: Params) -> Iterator[Diagnosis]:
    """Look for the data of each benchmark, and for the environments that benchmarks and vLLM need."""
    from iterpref_core.evaluation.benchmarks.bigcodebench.environment import find_python
    from iterpref_core.models.inference.vllm_server import find_vllm

    rows = [BENCHMARKS[name] for name in params.evaluation.benchmarks]
    for data in dict.fromkeys(row.data for row in rows):
        if data is not None:
            yield _benchmark_data(data)
    if any(row.suite == "bigcodebench" for row in rows):
        try:
            yield _diagnose("BigCodeBench", str(find_python()))
        except InputError as error:
            yield _diagnose("BigCodeBench", "no environment for it", "absent", str(error))
    if "vllm" in (params.inference.backend, params.evaluation.backend):
        try:
            yield _diagnose("vLLM", str(find_vllm()))
        except InputError as error:
            yield _diagnose("vLLM", "no environment with it", "missing", str(error))


def _benchmark_data(data: Published) -> Diagnosis:
    variable = data.variable
    subject = f"data: {data.key}"
    copy = os.environ.get(variable)
    if not copy:
        remedy = f"set {variable} to a copy of its data, or allow the download; else it is not measured"
        return _diagnose(subject, f"{variable} is not set", "absent", remedy)
    if not Path(copy).exists():
        return _diagnose(subject, f"{variable}: no such file", "missing", f"correct {variable}")
    return _diagnose(subject, copy)


def examine_services() -> Iterator[Diagnosis]:
    """Look at the servers of Prefect and MLflow, and at the records that MLflow does not have yet."""
    try:
        found = without_passwords(running_prefect() or "") or "none: MLflow alone has the runs"
        yield _diagnose("Prefect", found)
    except InputError as error:
        yield _diagnose("Prefect", "the server that is named cannot be used", "missing", str(error))
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if problem := check_server():
        remedy = "runs continue, and record what is missing once it is back"
        yield _diagnose("MLflow", problem, "absent", remedy)
    else:
        yield _diagnose("MLflow", "answers" if uri else "SQLite, mlflow.db")
    if waiting := describe_set_aside():
        detail = f"{len(waiting)} in {set_aside_folder()}: {'; '.join(waiting)}"
        yield _diagnose("MLflow: set aside", detail, "absent", "the next run writes them; or remove the files")


def _machine() -> Iterator[Diagnosis]:
    import psutil
    import torch

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        yield _diagnose("accelerator", ", ".join(cards))
    else:
        remedy = "the embedded models need none; a model of billions of parameters does"
        yield _diagnose("accelerator", f"none; {usable_cores()} CPU cores", "absent", remedy)
    free_gb = psutil.virtual_memory().available / 2**30
    free = f"{free_gb:.1f} GB available"
    if free_gb < 4:
        yield _diagnose("memory", free, "absent", "the default experiment takes up to 4 GB; run with --jobs 1")
    else:
        yield _diagnose("memory", free)
    disk_gb = shutil.disk_usage(".").free / 2**30
    room = f"{disk_gb:.0f} GB free"
    if disk_gb < _NEEDED_GB:
        yield _diagnose("disk", room, "absent", "make gc")
    else:
        yield _diagnose("disk", room)
