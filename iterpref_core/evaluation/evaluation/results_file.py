"""Write and load results.json and the samples next to it, of one model on several benchmarks."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, repeat
from pathlib import Path

from pydantic import ValidationError

from iterpref_core.records import (
    DataUnavailableError,
    Incomplete,
    InputError,
    Measured,
    ModelResults,
    Sample,
    UnansweredError,
    Unavailable,
    read_text,
)
from iterpref_core.storage.jsonl import describe_validation_error, read_jsonl, write_jsonl, write_text

logger = logging.getLogger(__name__)

RESULTS = "results.json"
SAMPLES = "samples"


@dataclass
class ResultsFolder:
    """The folder of one model's results, written benchmark by benchmark: results.json, and samples/<benchmark>.jsonl.

    It keeps the results of other benchmarks of the same model, and removes the results of another model.

    Attributes:
        out: the folder.
        model: the model's name.
        weights: the fingerprint of the model's weights, where it has any.
    """

    out: Path
    model: str
    weights: str | None = None
    _measured: dict[str, Measured | Incomplete] = field(default_factory=dict)
    _absent: dict[str, Unavailable] = field(default_factory=dict)
    _unanswered: list[str] = field(default_factory=list)

    @contextmanager
    def entry(self, benchmark: str) -> Iterator[None]:
        """Note the reason, and go on, where the block finds that a benchmark has no data here, or no answer."""
        try:
            yield
        except DataUnavailableError as error:
            self._absent[benchmark] = Unavailable(available=False, reason=str(error))
        except UnansweredError as error:
            self._unanswered.append(str(error))

    def write(
        self,
        benchmark: str,
        result: Measured | Incomplete,
        samples: Sequence[Sample],
    ) -> None:
        """Write a benchmark's result and programs, at once: they stay, however the next benchmark ends.

        Raises:
            InputError: the folder has a results.json that cannot be read.
        """
        self._measured[benchmark] = result
        kept = self._earlier()
        kept.pop(benchmark, None)
        # Killed before the last line, the folder has new samples and no entry for them, and never an old entry with
        # them.
        self._replace(kept)
        write_jsonl(self.out / SAMPLES / f"{benchmark}.jsonl", samples)
        self._replace(kept | {benchmark: result})

    def of_this_run(self) -> ModelResults:
        """Write the reasons why benchmarks have no data here, and return the results of this run.

        Raises:
            UnansweredError: the model answered no prompt of a benchmark; the results of the others are written.
            DataUnavailableError: no benchmark has data here.
        """
        # Record absent benchmarks only next to a measured one.
        if self._measured and self._absent:
            earlier = self._earlier()
            # A benchmark without data here does not replace an earlier measurement.
            runs = {name: result for name, result in earlier.items() if isinstance(result, Measured | Incomplete)}
            self._replace(earlier | self._absent | runs)
        if self._unanswered:
            raise UnansweredError("; ".join(dict.fromkeys(self._unanswered)))
        if not self._measured:
            reasons = [result.reason for result in self._absent.values()]
            raise DataUnavailableError("; ".join(dict.fromkeys(reasons)))
        return self._record({**self._measured, **self._absent})

    def _record(self, benchmarks: Mapping[str, Measured | Incomplete | Unavailable]) -> ModelResults:
        return ModelResults(model=self.model, weights=self.weights, benchmarks=dict(benchmarks))

    def _earlier(self) -> dict[str, Measured | Incomplete | Unavailable]:
        """Return the folder's results of the same model; the results and samples of another model are removed."""
        path = self.out / RESULTS
        if not path.exists():
            return {}
        earlier = load_model_results(path)
        # The same name with other weights is another model, whose scores must not be mixed with the new ones.
        if (earlier.model, earlier.weights) == (self.model, self.weights):
            return earlier.benchmarks
        logger.warning("%s: the results of %s are replaced: it was another model", path, earlier.model)
        path.unlink()
        shutil.rmtree(self.out / SAMPLES, ignore_errors=True)
        return {}

    def _replace(self, benchmarks: Mapping[str, Measured | Incomplete | Unavailable]) -> None:
        """Write results.json with these benchmarks; without any, remove it."""
        if not benchmarks:
            (self.out / RESULTS).unlink(missing_ok=True)
            return
        record = self._record(benchmarks).to_json()
        write_text(self.out / RESULTS, json.dumps(record, indent=2, sort_keys=True) + "\n")


def load_model_results(path: Path) -> ModelResults:
    """Load one model's results from its results.json, or from the folder of that file.

    Raises:
        InputError: the file is absent or cannot be read.
    """
    path = path / RESULTS if path.is_dir() else path
    text = read_text(path, "give a folder of `iterpref evaluate`, or its results.json")
    try:
        return ModelResults.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{path}: {describe_validation_error(error)}; move it away, and evaluate again") from None


def judged_samples(folder: Path, benchmark: str, result: Measured) -> Iterator[tuple[Sample, str, str]]:
    """Yield the programs of a benchmark, each with its verdict and feedback, which may be empty.

    Verdicts are in results.json by task, and programs in the file of samples, in one order.

    Args:
        folder: of one model's results.
        benchmark: the benchmark's name.
        result: its result.
    """
    outcomes = {
        task: zip(verdicts, (result.feedback or {}).get(task, repeat("")), strict=False)
        for task, verdicts in result.verdicts.items()
    }
    for sample in read_jsonl(folder / SAMPLES / f"{benchmark}.jsonl", Sample):
        # The next of its task.
        for verdict, said in islice(outcomes.get(sample.task_id, ()), 1):
            yield sample, verdict, said


def warn_of_absent_benchmarks(results: ModelResults) -> None:
    """Name the benchmarks that have no score, once for each reason.

    The experiment does not call this for each of its models: its report names them once.
    """
    for names, reason in by_reason(results.unavailable):
        logger.warning("no score on %s: %s", ", ".join(names), reason)


def by_reason(*unavailable: Mapping[str, str]) -> list[tuple[list[str], str]]:
    """Return the names of benchmarks without a score, and the reason; each reason once.

    Args:
        unavailable: of each model, benchmark → reason.
    """
    benchmarks: dict[str, dict[str, None]] = {}
    for missing in unavailable:
        for name, reason in missing.items():
            benchmarks.setdefault(reason, {})[name] = None
    return [(list(names), reason) for reason, names in benchmarks.items()]
