"""Lineage of a trial: the artifacts it trains on, when some parameters differ from those of the experiment.

Whatever they do not decide is the experiment's own artifact. The rest is made here, once, under a digest of everything
that does decide it, by the same calls of the core as in the stages.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from iterpref_core.config import Params
from iterpref_core.errors import InputError
from iterpref_core.inference.local.model_lineage import training_versions
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.make_once import make_once
from tasks.common.paths import ANSWERS, DEBUGGER, FOCAL, PAIRS, PROBLEMS, STUDENT, TRAJECTORIES, WORK

FOLDER = WORK / "trials"
CODE = {
    "nanolab": ("execution", "inference", "nanolab"),
    "codeflow": ("codeflow", "execution", "inference", "screening"),
    "pairs": ("inference", "pairs", "screening", "source_code"),
    "localization": ("execution", "localization", "source_code"),
    "evaluation": ("evaluation", "execution", "inference", "screening", "statistics"),
}
"""The core's packages that decide what a stage writes, as dvc.yaml names them; training knows its own."""


class Inputs(NamedTuple):
    """A student, and the pairs and spans it is trained on."""

    student: Path
    pairs: Path
    spans: Path


def find_inputs(params: Params, changed: Iterable[str]) -> Inputs:
    """The inputs of a trial.

    Another student learns from the same pairs, as in the paper, where models of all sizes train on one set; another
    teacher refines the same student's drafts.

    Args:
        params: the trial's parameters.
        changed: dotted keys of those that differ from the experiment's.

    Raises:
        InputError: an artifact of the experiment is not there, or the parameters cannot be used.
    """
    keys = set(changed)
    of_teacher = {key for key in keys if key in ("model.debugger", "nanolab.debugger_steps")}
    of_student = {key for key in keys - of_teacher if key.startswith(("model.student", "nanolab."))}
    teacher = _build_model("debugger", params) if of_teacher else DEBUGGER
    of_trajectories = {key for key in keys if key.startswith("codeflow.")}
    trajectories = _debug(teacher, params) if of_teacher or of_trajectories else TRAJECTORIES
    of_pairs = {key for key in keys if key.startswith("pairs.")}
    pairs = _pair(trajectories, params) if of_pairs or trajectories != TRAJECTORIES else PAIRS
    of_spans = {key for key in keys if key.startswith("localization.")}
    spans = _localize(pairs, params) if of_spans or pairs != PAIRS else FOCAL
    return Inputs(_build_model("student", params) if of_student else STUDENT, pairs, spans)


def code_of(stage: str) -> str:
    """A digest of the code that decides what a stage writes."""
    return code_digest(*(f"iterpref_core.{name}" for name in CODE[stage]))


def digest(*decisive: object) -> str:
    """A key made of everything that decides an artifact: files count by their content, folders as models.

    The versions of the packages that train and answer are always part of it.

    Raises:
        InputError: an artifact of the experiment is not there.
    """
    from iterpref_core.inference.local.fingerprint import model_fingerprint

    sha256 = hashlib.sha256(json.dumps(training_versions()).encode())
    for part in decisive:
        if isinstance(part, Path):
            sha256.update((model_fingerprint(part) if part.is_dir() else _digest_file(part)).encode())
        else:
            sha256.update(json.dumps(part, sort_keys=True).encode())
    return sha256.hexdigest()[:16]


def limits(params: Params) -> dict[str, object]:
    """What decides verdicts, besides programs and code."""
    return params.execution.model_dump(mode="json", exclude={"engine", "workers"})


def asked(params: Params) -> list[object]:
    """What decides answers, besides models, prompts, sampling and code."""
    inference = params.inference.model_dump(mode="json", include={"api", "backend", "bf16", "recording"})
    recording = params.inference.recording
    return [inference, params.model.prompt, *([Path(recording)] if recording else [])]


def _digest_file(path: Path) -> str:
    try:
        return file_digest(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `iterpref run localization` first") from None


def _build_model(role: str, params: Params) -> Path:
    """The student or the debugger alone: the other one is the experiment's."""
    from iterpref_core.nanolab.nanolab import build_models

    other = {"student": ("debugger", DEBUGGER), "debugger": ("student", STUDENT)}[role]
    model = params.model.model_copy(update={other[0]: str(other[1].resolve())})
    decisive = (model.model_dump(), params.nanolab.model_dump(), limits(params), *asked(params), code_of("nanolab"))
    folder = FOLDER / "models" / digest(PROBLEMS, *decisive)
    backend = params.inference.backend
    make_once(folder, lambda out: build_models(PROBLEMS, model, params.nanolab, params.execution, out, backend))
    return folder / role


def _debug(teacher: Path, params: Params) -> Path:
    from tasks.codeflow import debug_with  # Prefect comes with it, which takes a second and reads its settings

    settings = params.codeflow.model_dump(exclude={"concurrency"})
    key = digest(PROBLEMS, STUDENT, teacher, settings, limits(params), *asked(params), code_of("codeflow"))
    work = FOLDER / "codeflow" / key
    return make_once(
        FOLDER / "trajectories" / f"{key}.jsonl", lambda out: debug_with(STUDENT, teacher, params, out, work)
    )


def _pair(trajectories: Path, params: Params) -> Path:
    from iterpref_core.inference.backend_factory import open_judge
    from iterpref_core.pairs.pairs import select_pairs
    from iterpref_core.screening.benchmark_tasks import find_benchmarks

    def write(out: Path) -> object:
        with open_judge(
            params.pairs.judge, params.inference, params.budget, params.codeflow.concurrency, ANSWERS, "pairs"
        ) as judge:
            return select_pairs(trajectories, PROBLEMS, STUDENT, params.pairs, out, judge=judge)

    benchmarks = [file.sha256 for file in find_benchmarks(params.pairs.benchmarks, PROBLEMS)[0]]
    decisive = (params.pairs.model_dump(), benchmarks, *asked(params), code_of("pairs"))
    key = digest(PROBLEMS, trajectories, STUDENT, *decisive)
    return make_once(
        FOLDER / "pairs" / f"{key}.jsonl",
        write,
    )


def _localize(pairs: Path, params: Params) -> Path:
    from iterpref_core.localization.localization import localize_pairs

    key = digest(PROBLEMS, pairs, params.localization.model_dump(), limits(params), code_of("localization"))
    return make_once(
        FOLDER / "spans" / f"{key}.jsonl",
        lambda out: localize_pairs(pairs, params.localization, out, PROBLEMS, params.execution),
    )
