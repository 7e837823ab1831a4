"""Results file: results.json and the samples beside it, of one model on several benchmarks."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from iterpref_core.records import Sample
from iterpref_core.records.errors import InputError
from iterpref_core.records.results import Incomplete, Measured, ModelResults, Unavailable
from iterpref_core.storage.jsonl import atomic_writer, describe_validation_error, write_jsonl

logger = logging.getLogger(__name__)

RESULTS = "results.json"
SAMPLES = "samples"


def write_results(
    out: Path,
    results: ModelResults,
    samples: Mapping[str, Sequence[Sample]],
) -> None:
    """Write the results of some benchmarks; the folder keeps those of other benchmarks of the same model.

    Args:
        out: folder of the results.
        results: the model's. A benchmark that could not be measured now does not replace one that was.
        samples: benchmark → programs, for those that were measured.

    Raises:
        InputError: the folder has a results.json that cannot be read.
    """
    kept = _earlier(out, results)
    for name, result in results.benchmarks.items():
        has_run = isinstance(kept.get(name), Measured | Incomplete)
        if isinstance(result, Measured | Incomplete) or not has_run:
            kept.pop(name, None)
    # Killed before the last line, the folder has new samples and no entry for them, and never an old entry beside them.
    if kept:
        _write(out, results.model_copy(update={"benchmarks": kept}))
    else:
        (out / RESULTS).unlink(missing_ok=True)
    for measured, programs in samples.items():
        write_jsonl(out / SAMPLES / f"{measured}.jsonl", programs)
    _write(out, results.model_copy(update={"benchmarks": results.benchmarks | kept}))


def warn_of_absent_benchmarks(out: Path) -> None:
    """Name the benchmarks of a results file that have no score, once for each reason.

    The experiment does not call this for each of its models: its report names them once.
    """
    results = ModelResults.model_validate_json((out / RESULTS).read_bytes())
    by_reason: dict[str, list[str]] = {}
    for name, reason in results.unavailable.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        logger.warning("no score on %s: %s", ", ".join(names), reason)


def _earlier(out: Path, results: ModelResults) -> dict[str, Measured | Incomplete | Unavailable]:
    """Return what the folder has of the same model; the results and samples of another model are removed."""
    path = out / RESULTS
    if not path.exists():
        return {}
    try:
        earlier = ModelResults.model_validate_json(path.read_bytes())
    except ValidationError as error:
        reason = describe_validation_error(error)
        raise InputError(f"{path}: cannot be read ({reason}); move it away, or name another folder") from None
    # The same name with other weights is another model, whose scores must not stand beside the new ones.
    if (earlier.model, earlier.weights) == (results.model, results.weights):
        return dict(earlier.benchmarks)
    logger.warning("%s: the results of %s are replaced: it was another model", path, earlier.model)
    path.unlink()
    shutil.rmtree(out / SAMPLES, ignore_errors=True)
    return {}


def _write(out: Path, results: ModelResults) -> None:
    with atomic_writer(out / RESULTS) as file:
        json.dump(results.to_json(), file, indent=2, sort_keys=True)
        file.write("\n")
