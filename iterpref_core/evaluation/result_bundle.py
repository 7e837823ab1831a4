"""Result bundle: a folder with which somebody else runs a model's programs again and compares every verdict.

It has `results.json` and `samples.jsonl` as the evaluation wrote them, the held-out problems where they were measured,
and `bundle.json`: the SHA-256 of each file, versions, and what else scoring depends on. Of a published benchmark's data
it has the hash, in `results.json`, beside limits, harness, and how was sampled.
"""

import json
import platform
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iterpref_core.config import Benchmark, ExecutionParams, LiveCodeBenchParams
from iterpref_core.errors import InputError
from iterpref_core.evaluation.benchmark_services import Setup, group, open_service
from iterpref_core.evaluation.evaluation import JOURNALS, RESULTS, SAMPLES, write_results
from iterpref_core.evaluation.heldout import digest, load_split
from iterpref_core.evaluation.program_runs import Journals
from iterpref_core.execution import Limits
from iterpref_core.input_files import Place, parse_json, read_text
from iterpref_core.records import Problem, Sample
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import atomic_writer, describe_validation_error, read_jsonl, write_jsonl
from iterpref_core.storage.new_folder import new_folder

BUNDLE = "bundle.json"
PROBLEMS = "problems.jsonl"
CARD = "README.md"
OWN = ("heldout", "validation")
"""Benchmarks whose tasks are problems of ours, and go along."""
PACKAGES = ("evalplus", "numpy", "tokenizers", "torch", "transformers")

M = TypeVar("M", bound=BaseModel)


class _Data(BaseModel):
    name: str
    sha256: str


class _Entry(BaseModel):
    """What scoring again needs of a benchmark's entry in results.json."""

    verdicts: dict[str, tuple[str, ...]] = Field(min_length=1)
    data: _Data
    limits: dict[str, Any]


class _Results(BaseModel):
    """The head of results.json, and what is in it."""

    model: str
    benchmarks: dict[str, Any]


class Bundle(BaseModel):
    """`bundle.json`.

    Attributes:
        format: of bundles.
        files: name → SHA-256.
        livecodebench: release and window, which decide its tasks.
        versions: of Python and packages on the machine that exported.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    files: dict[str, str]
    livecodebench: LiveCodeBenchParams
    versions: dict[str, str]


@dataclass(frozen=True)
class Difference:
    """A verdict that is another here; `sample` counts the samples of a task from 0."""

    benchmark: str
    task_id: str
    sample: int
    exported: str
    here: str


@dataclass(frozen=True)
class Rescored:
    """What became of a bundle's samples here.

    Attributes:
        verdicts: how many were compared.
        differences: those that differ.
        other_fields: benchmark → fields of its entry, beside verdicts and what follows from them, that differ.
        same_bytes: whether results.json, of these benchmarks, is the same to the byte.
    """

    verdicts: int
    differences: tuple[Difference, ...]
    other_fields: dict[str, list[str]]
    same_bytes: bool

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "same_verdicts": not self.differences,
            "verdicts": self.verdicts,
            "different": [asdict(one) for one in self.differences],
            "same_bytes": self.same_bytes,
            "other_fields": self.other_fields,
        }

    def lines(self) -> list[str]:
        """The same for people."""
        if self.differences:
            head = f"same verdicts: no; {len(self.differences):,} of {self.verdicts:,} differ"
        else:
            head = f"same verdicts: yes, all {self.verdicts:,}"
        found = [
            f"  {one.benchmark} {one.task_id}, sample {one.sample}: {one.exported} there, {one.here} here"
            for one in self.differences
        ]
        others = [f"  {name}: {', '.join(differ)}" for name, differ in self.other_fields.items()]
        same = "yes" if self.same_bytes else "no" + ("; these fields differ too:" if others else "")
        return [head, *found, f"same bytes of {RESULTS}: {same}", *others]


FROM_VERDICTS = (
    "n",
    "pass_at_1",
    "ci95",
    "pass_at_5",
    "pass_at_5_ci95",
    "errors",
    "exceptions",
    "passed",
    "verdicts",
    "feedback",
    "without_failed_truth",
    "by_difficulty",
)
"""Fields of an entry that follow from verdicts and feedback."""


def export_bundle(
    results: Path, problems: Path, livecodebench: LiveCodeBenchParams, out: Path
) -> dict[str, float | str]:
    """Write a bundle of a folder of results.

    Args:
        results: folder with results.json and samples.jsonl.
        problems: JSONL of problems, for `heldout` and `validation`; those of these splits go along.
        livecodebench: release and window.
        out: folder, absent or empty.

    Returns:
        `out`, and how many `benchmarks`, `samples` and `problems` are in it.

    Raises:
        InputError: `out` holds something, a file is absent or broken, or the problems are not those that were measured.
    """
    read, samples = _read_results(results), list(read_jsonl(results / SAMPLES, Sample))
    entries = _entries(results, read)
    for name, entry in entries.items():
        _of_benchmark(samples, entry, results / SAMPLES, name)
    own: list[Problem] = []
    for split in (name for name in OWN if name in entries):
        found = load_split(problems, split)
        if digest(found) != entries[split].data.sha256:
            raise InputError(
                f"{problems}: its problems of split {split!r} are not those that {results} was measured on"
            )
        own += found
    with new_folder(out) as partial:
        for name in (RESULTS, SAMPLES):
            shutil.copyfile(results / name, partial / name)
        if own:
            write_jsonl(partial / PROBLEMS, own)
        files = {path.name: file_digest(path) for path in sorted(partial.iterdir())}
        bundle = Bundle(files=files, livecodebench=livecodebench, versions=_versions())
        with atomic_writer(partial / BUNDLE) as file:
            file.write(bundle.model_dump_json(indent=2) + "\n")
        with atomic_writer(partial / CARD) as file:
            file.write(_card(read["model"], entries))
    counts = {"benchmarks": len(entries), "samples": len(samples), "problems": len(own)}
    return {"out": str(out)} | {name: float(count) for name, count in counts.items()}


def rescore_bundle(
    folder: Path,
    execution: ExecutionParams,
    cache: Path,
    benchmarks: Sequence[str] = (),
    out: Path | None = None,
) -> Rescored:
    """Run a bundle's samples again, under the limits it was measured with, and compare.

    Args:
        folder: the bundle.
        execution: engine and workers; limits of held-out problems are the bundle's.
        cache: folder for benchmark data and the verdicts on benchmarks' own solutions.
        benchmarks: which; all by default.
        out: folder for results.json of this machine, laid out as the bundle's.

    Raises:
        InputError: a file is absent, broken, or not the one that was exported; there is no such benchmark in it, or its
            data here is other data.
        DataUnavailableError: a benchmark's data cannot be had here.
    """
    bundle = _parse(folder / BUNDLE, Bundle, parse_json(read_text(folder / BUNDLE), Place(folder / BUNDLE, 1)))
    for name, sha256 in bundle.files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file() or file_digest(path) != sha256:
            raise InputError(
                f"{path}: is not the file that was exported ({BUNDLE} has its SHA-256); fetch the bundle anew"
            )
    read, samples = _read_results(folder), list(read_jsonl(folder / SAMPLES, Sample))
    entries = _entries(folder, read)
    if unknown := [name for name in benchmarks if name not in entries]:
        raise InputError(f"{folder}: has no results of {unknown[0]!r} (--benchmark); there are {', '.join(entries)}")
    wanted = [cast("Benchmark", name) for name in entries if not benchmarks or name in benchmarks]
    here: dict[str, dict[str, Any]] = {}
    with Journals(cache / JOURNALS) as journals:
        for together in group(wanted):
            own = together[0] in OWN
            settings = _with_limits(folder, entries[together[0]], execution) if own else execution
            service = open_service(
                together[0], Setup(folder / PROBLEMS, bundle.livecodebench, settings, cache, journals)
            )
            for name in together:
                _check_tasks(name, entries[name], service.task_ids)
                here[name] = service.score([name], _of_benchmark(samples, entries[name], folder / SAMPLES, name))[
                    name
                ].entry
                _check_data(name, entries[name].data, here[name]["data"])
    there: dict[str, dict[str, Any]] = {name: read["benchmarks"][name] for name in wanted}
    for name, entry in there.items():
        here[name] |= {"sampling": entry["sampling"]} if "sampling" in entry else {}
    both = [{**read, "benchmarks": found} for found in (there, here)]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_results(both[1], out / RESULTS)
    return _compare(entries, there, here, same_bytes=_text(both[0]) == _text(both[1]))


def _compare(
    entries: dict[str, _Entry], there: dict[str, dict[str, Any]], here: dict[str, dict[str, Any]], *, same_bytes: bool
) -> Rescored:
    differences, compared = [], 0
    for name in there:
        for task_id, exported in entries[name].verdicts.items():
            compared += len(exported)
            for sample, (old, new) in enumerate(zip(exported, here[name]["verdicts"][task_id], strict=True)):
                if old != new:
                    differences.append(Difference(name, task_id, sample, old, new))
    others = {
        name: sorted(
            key
            for key in (entry.keys() | here[name].keys()) - {*FROM_VERDICTS}
            if _text(entry.get(key)) != _text(here[name].get(key))
        )
        for name, entry in there.items()
    }
    return Rescored(compared, tuple(differences), {name: keys for name, keys in others.items() if keys}, same_bytes)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _read_results(folder: Path) -> dict[str, Any]:
    path = folder / RESULTS
    found: dict[str, Any] = parse_json(read_text(path), Place(path, 1))
    _parse(path, _Results, found)
    return found


def _entries(folder: Path, read: dict[str, Any]) -> dict[str, _Entry]:
    """The benchmarks that were measured."""
    measured = {
        name: entry
        for name, entry in read["benchmarks"].items()
        if not isinstance(entry, dict) or entry.get("available", True)
    }
    if not measured:
        raise InputError(f"{folder / RESULTS}: has no benchmark that was measured")
    if unknown := [name for name in measured if name not in get_args(Benchmark)]:
        raise InputError(
            f"{folder / RESULTS}: {unknown[0]!r} is no benchmark; there are {', '.join(get_args(Benchmark))}"
        )
    return {name: _parse(folder / RESULTS, _Entry, entry) for name, entry in measured.items()}


def _parse(path: Path, model: type[M], value: Any) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InputError(f"{path}: {describe_validation_error(error)}; correct it, or write it anew") from None


def _of_benchmark(samples: Sequence[Sample], entry: _Entry, path: Path, benchmark: str) -> list[Sample]:
    """A benchmark's samples, as many of each task as it has verdicts.

    Where two benchmarks of the same tasks were sampled apart, a task has more; they must be the same answers then.

    Raises:
        InputError: a task has too few samples, or it cannot be told which are this benchmark's.
    """
    by_task: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task_id].append(sample)
    for task_id, verdicts in entry.verdicts.items():
        given, count = by_task[task_id], len(verdicts)
        if not count or not given or given != given[:count] * (len(given) // count):
            raise InputError(
                f"{path}: {len(given)} samples of {task_id!r}, and {count} verdicts of {benchmark} in {RESULTS}: which "
                "samples belong to it is unknown; evaluate its benchmarks one by one"
            )
    left = Counter({task_id: len(verdicts) for task_id, verdicts in entry.verdicts.items()})
    chosen = []
    for sample in samples:  # in their order, which decides that of the results
        if left[sample.task_id] > 0:
            left[sample.task_id] -= 1
            chosen.append(sample)
    return chosen


def _with_limits(folder: Path, entry: _Entry, execution: ExecutionParams) -> ExecutionParams:
    """The settings here with the limits that held-out programs had there."""
    limits = {limit.name: entry.limits.get(limit.name) for limit in fields(Limits)}
    return _parse(folder / RESULTS, ExecutionParams, {**execution.model_dump(), **limits})


def _check_tasks(benchmark: str, entry: _Entry, here: Sequence[str]) -> None:
    if other := sorted(entry.verdicts.keys() ^ set(here)):
        raise InputError(
            f"{benchmark}: the bundle has other tasks than the data here, such as {other[0]!r}; get the data of "
            f"{entry.data.name} (SHA-256 {entry.data.sha256})"
        )


def _check_data(benchmark: str, there: _Data, here: dict[str, str]) -> None:
    if here["sha256"] != there.sha256:
        raise InputError(
            f"{benchmark}: the bundle was measured on {there.name} (SHA-256 {there.sha256}), and here is "
            f"{here['name']} ({here['sha256']}); get the same data"
        )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # of an extra that is not installed
            continue
    return found


def _card(model: str, entries: dict[str, _Entry]) -> str:
    tested = "\n".join(
        f"- {name}: {len(entry.verdicts):,} tasks, {sum(map(len, entry.verdicts.values())):,} verdicts; "
        f"data {entry.data.name}, SHA-256 `{entry.data.sha256}`"
        for name, entry in entries.items()
    )
    return f"""\
# Evaluation of {model}

Programs of a model, the verdict on each, and what these depend on.

{tested}

| file | has |
|---|---|
| `{SAMPLES}` | the programs |
| `{RESULTS}` | scores, verdicts, feedback, limits, harness, isolation, how it was sampled |
| `{PROBLEMS}` | the problems of `heldout` and `validation`, where these were measured |
| `{BUNDLE}` | the SHA-256 of each file, and versions |

`iterpref rescore FOLDER` runs the programs again, under the same limits, and says whether every verdict is the same.
It executes them in IterPref's sandbox; look at `iterpref doctor` first.
"""
