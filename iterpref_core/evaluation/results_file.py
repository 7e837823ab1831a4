"""Results file: results.json and the samples beside it, of one model on several benchmarks."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from iterpref_core.errors import InputError
from iterpref_core.evaluation.scores import Entry
from iterpref_core.records import Sample
from iterpref_core.storage.jsonl import atomic_writer, write_jsonl

logger = logging.getLogger(__name__)

RESULTS = "results.json"
SAMPLES = "samples"


def write_results(
    out: Path,
    about: Mapping[str, str],
    entries: Mapping[str, Entry],
    samples: Mapping[str, Sequence[Sample]],
) -> None:
    """Write the results of some benchmarks; the folder keeps those of other benchmarks of the same model.

    Args:
        out: folder of the results.
        about: the model's name, and its fingerprint where it has weights.
        entries: benchmark → entry. One that could not be measured now does not replace one that was.
        samples: benchmark → programs, for those that were measured.

    Raises:
        InputError: the folder has a results.json that cannot be read.
    """
    kept = _earlier(out, about)
    for name, entry in entries.items():
        was_measured = name in kept and kept[name].get("available")
        if entry["available"] or not was_measured:
            kept.pop(name, None)
    # Killed before the last line, the folder has new samples and no entry for them, and never an old entry beside them.
    if kept:
        _write(out, about, kept)
    else:
        (out / RESULTS).unlink(missing_ok=True)
    for measured, programs in samples.items():
        write_jsonl(out / SAMPLES / f"{measured}.jsonl", programs)
    _write(out, about, {**entries, **kept})


def _earlier(out: Path, about: Mapping[str, str]) -> dict[str, Entry]:
    """Return the entries that the folder has of the same model; entries and samples of another model are removed."""
    path = out / RESULTS
    if not path.exists():
        return {}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        entries = dict(results.pop("benchmarks"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); move it away, or name another folder") from None
    # The same name with other weights is another model, whose scores must not stand beside the new ones.
    if results == dict(about):
        return entries
    logger.warning("%s: the results of %s are replaced: it was another model", path, results.get("model"))
    path.unlink()
    shutil.rmtree(out / SAMPLES, ignore_errors=True)
    return {}


def _write(out: Path, about: Mapping[str, str], entries: Mapping[str, Entry]) -> None:
    with atomic_writer(out / RESULTS) as file:
        json.dump({**about, "benchmarks": entries}, file, indent=2, sort_keys=True)
        file.write("\n")
