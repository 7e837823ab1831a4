"""Lineage of a trial: the artifacts it trains on, when some parameters differ from those of the experiment.

Whatever they do not decide is the experiment's own artifact. The rest is made here, once, under a digest of everything
that does decide it, by the same calls of the core as in the stages.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from iterpref_core.config import Params, with_values
from iterpref_core.errors import InputError
from iterpref_core.inference.local.model_lineage import training_versions
from iterpref_core.records import Problem
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl, write_jsonl
from iterpref_core.storage.make_once import make_once
from tasks.common.paths import ANSWERS, DEBUGGER, FOCAL, PAIRS, PROBLEMS, STUDENT, TRAJECTORIES, WORK
from tasks.common.stage_body import cpu_s

FOLDER = WORK / "trials"
CODE = {
    "problems": ("problems",),
    "nanolab": ("execution", "inference", "nanolab"),
    "codeflow": ("codeflow", "execution", "inference", "screening"),
    "pairs": ("inference", "pairs", "screening", "source_code"),
    "localization": ("execution", "localization", "source_code"),
    "evaluation": ("evaluation", "execution", "inference", "screening", "statistics"),
}
"""The core's packages that decide what a stage writes, as dvc.yaml names them; training knows its own."""

_OF_THE_OTHER = {"student": ("debugger_steps", "repairs_per_problem"), "debugger": ("student_steps", "habits")}
"""By embedded model, the parameters of `nanolab` that decide nothing of it."""


class Artifacts(NamedTuple):
    """What the stages of an experiment write before it trains."""

    problems: Path
    student: Path
    debugger: Path
    trajectories: Path
    pairs: Path
    spans: Path


EXPERIMENT = Artifacts(PROBLEMS, STUDENT, DEBUGGER, TRAJECTORIES, PAIRS, FOCAL)
"""The one that dvc.yaml describes."""


def find_inputs(params: Params, changed: Iterable[str], own: Artifacts = EXPERIMENT) -> Artifacts:
    """What a trial trains on.

    Another student learns from the same pairs, as in the paper, where models of all sizes train on one set; another
    teacher refines the same student's drafts.

    Args:
        params: the trial's parameters.
        changed: dotted keys of those that differ from the experiment's.
        own: the experiment's artifacts.

    Raises:
        InputError: an artifact of the experiment is not there, or the parameters cannot be used.
    """
    keys = set(changed)
    of_teacher = {key for key in keys if key in ("model.debugger", "nanolab.debugger_steps")}
    of_student = {key for key in keys - of_teacher if key.startswith(("model.student", "nanolab."))}
    found = own._replace(debugger=_build_model("debugger", params, own.problems)) if of_teacher else own
    if of_teacher or any(key.startswith("codeflow.") for key in keys):
        found = found._replace(trajectories=_debug(found, params))
    if found.trajectories != own.trajectories or any(key.startswith("pairs.") for key in keys):
        found = found._replace(pairs=_pair(found, params))
    if found.pairs != own.pairs or any(key.startswith("localization.") for key in keys):
        found = found._replace(spans=_localize(found, params))
    return found._replace(student=_build_model("student", params, own.problems)) if of_student else found


def make_experiment(params: Params, student: Mapping[str, Any], drafted: int) -> Artifacts:
    """Another experiment, on composed problems alone: all that its stages before training would write.

    Args:
        params: of the experiment.
        student: parameters of the embedded student, by dotted key, which are not those of its debugger.
        drafted: how many problems of the split codeflow it drafts, the first.

    Raises:
        InputError: the parameters cannot be used.
    """
    problems = _compose(params)
    own = EXPERIMENT._replace(problems=problems, debugger=_build_model("debugger", params, problems))
    learned = _build_model("student", with_values(params, student), problems)
    return _draft(own._replace(student=learned, problems=part_of_codeflow(problems, slice(drafted))), params)


def draft_again(experiment: Artifacts, student: Path, params: Params, drafted: int) -> Artifacts:
    """The same experiment with another student, and with pairs of its drafts of other problems.

    Args:
        experiment: made with the first problems alone.
        student: that drafts.
        params: of the experiment.
        drafted: how many problems of the split codeflow were drafted already.
    """
    return _draft(
        experiment._replace(student=student, problems=part_of_codeflow(_compose(params), slice(drafted, None))), params
    )


def part_of_codeflow(problems: Path, part: slice) -> Path:
    """The same problems, of the split codeflow only a part; other splits stay whole."""

    def write(out: Path) -> None:
        composed = list(read_jsonl(problems, Problem))
        dropped = [problem.task_id for problem in composed if problem.split == "codeflow"]
        del dropped[part]
        leave_out = set(dropped)
        write_jsonl(out, (problem for problem in composed if problem.task_id not in leave_out))

    return _make(FOLDER / "problems" / f"{digest(problems, part.start, part.stop)}.jsonl", write)


def _draft(found: Artifacts, params: Params) -> Artifacts:
    """The student's drafts, debugged and paired."""
    found = found._replace(trajectories=_debug(found, params))
    found = found._replace(pairs=_pair(found, params))
    return found._replace(spans=_localize(found, params))


def cpu_s_of(artifact: Path) -> float | None:
    """CPU seconds that it took to make an artifact; what was begun by a process that was killed counts from its end.

    None for one that was not made here, such as the experiment's own.
    """
    cost = _cost_path(artifact)
    return float(json.loads(cost.read_text(encoding="utf-8"))["cpu_s"]) if cost.exists() else None


def _cost_path(artifact: Path) -> Path:
    return artifact.with_name(f"{artifact.name}.cost.json")


def _make(artifact: Path, make: Callable[[Path], object]) -> Path:
    """`make_once`, and beside it what that took."""

    def measured(out: Path) -> None:
        before = cpu_s()
        make(out)
        with atomic_writer(_cost_path(artifact)) as file:
            json.dump({"cpu_s": cpu_s() - before}, file)

    return make_once(artifact, measured)


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


def _compose(params: Params) -> Path:
    from iterpref_core.problems.problems import synthesize

    path = FOLDER / "problems" / f"{digest(params.problems.model_dump(), code_of('problems'))}.jsonl"
    return _make(path, lambda out: write_jsonl(out, synthesize(params.problems)))


def _build_model(role: str, params: Params, problems: Path) -> Path:
    """The student or the debugger alone."""
    from iterpref_core.nanolab.nanolab import build_models

    shape = params.nanolab.model_dump(exclude={*_OF_THE_OTHER[role]})
    name = getattr(params.model, role), params.model.prompt
    key = digest(problems, role, *name, shape, limits(params), *asked(params), code_of("nanolab"))
    folder = FOLDER / "models" / key
    backend = params.inference.backend
    make_once(
        folder,
        lambda out: build_models(problems, params.model, params.nanolab, params.execution, out, backend, only=role),
    )
    return folder / role


def _debug(own: Artifacts, params: Params) -> Path:
    from tasks.codeflow import debug_with  # Prefect comes with it, which takes a second and reads its settings

    settings = params.codeflow.model_dump(exclude={"concurrency"})
    decisive = settings, limits(params), *asked(params), code_of("codeflow")
    key = digest(own.problems, own.student, own.debugger, *decisive)
    work = FOLDER / "codeflow" / key
    return _make(
        FOLDER / "trajectories" / f"{key}.jsonl",
        lambda out: debug_with(own.student, own.debugger, params, out, work, own.problems),
    )


def _pair(own: Artifacts, params: Params) -> Path:
    from iterpref_core.inference.backend_factory import open_judge
    from iterpref_core.pairs.pairs import select_pairs
    from iterpref_core.screening.benchmark_tasks import find_benchmarks

    def write(out: Path) -> object:
        with open_judge(
            params.pairs.judge, params.inference, params.budget, params.codeflow.concurrency, ANSWERS, "pairs"
        ) as judge:
            return select_pairs(own.trajectories, own.problems, own.student, params.pairs, out, judge=judge)

    benchmarks = [file.sha256 for file in find_benchmarks(params.pairs.benchmarks, own.problems)[0]]
    decisive = (params.pairs.model_dump(), benchmarks, *asked(params), code_of("pairs"))
    key = digest(own.problems, own.trajectories, own.student, *decisive)
    return _make(FOLDER / "pairs" / f"{key}.jsonl", write)


def _localize(own: Artifacts, params: Params) -> Path:
    from iterpref_core.localization.localization import localize_pairs

    key = digest(own.problems, own.pairs, params.localization.model_dump(), limits(params), code_of("localization"))
    return _make(
        FOLDER / "spans" / f"{key}.jsonl",
        lambda out: localize_pairs(own.pairs, params.localization, out, own.problems, params.execution),
    )
