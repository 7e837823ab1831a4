"""Describe the records that an ingestion takes: tests, lengths, and the share of each file."""

from collections import Counter, defaultdict
from itertools import accumulate
from typing import Any

from iterpref_core.records import PreferencePair, Problem
from iterpref_core.records.prompt_messages import prompt_text


class Statistics:
    """Counts of the records so far; memory grows with the number of different values alone."""

    def __init__(self) -> None:
        self._records = 0
        self._inside = 0
        self._files: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        # `prompt` → characters of a prompt → number of records.
        self._sizes: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def add(self, record: Problem | PreferencePair) -> None:
        """Count a record."""
        self._records += 1
        if record.provenance:
            self._files[record.provenance[0].file] += 1
        self._sizes["prompt characters"][len(prompt_text(record.prompt))] += 1
        if isinstance(record, PreferencePair):
            self._sizes["chosen characters"][len(record.chosen)] += 1
            self._sizes["rejected characters"][len(record.rejected)] += 1
            return
        tests = record.tests + record.hidden_tests
        if tests:
            self._sizes["tests"][len(tests)] += 1
        if record.reference is not None:
            self._sizes["reference characters"][len(record.reference)] += 1
        self._kinds.update(test.kind for test in tests)
        self._inside += record.inside is True

    def summary(self) -> dict[str, Any]:
        """Return the median, mean and largest of each size, and shares between 0 and 1."""
        found: dict[str, Any] = {name: _distribution(sizes) for name, sizes in self._sizes.items()}
        if self._kinds:
            found["test kinds"] = _shares(self._kinds)
            found["inside"] = round(self._inside / self._records, 4)
        if self._files:
            found["files"] = _shares(self._files)
        return found


def _distribution(sizes: Counter[int]) -> dict[str, float]:
    number = sizes.total()
    ordered = sorted(sizes)
    up_to = accumulate(sizes[size] for size in ordered)
    # The median of an even number of values is the lower value in the middle.
    median = next(size for size, count in zip(ordered, up_to, strict=True) if 2 * count >= number)
    mean = sum(size * count for size, count in sizes.items()) / number
    return {"median": median, "mean": round(mean, 1), "max": max(sizes)}


def _shares(counts: Counter[str]) -> dict[str, float]:
    return {name: round(count / counts.total(), 4) for name, count in counts.most_common()}


def table(summary: dict[str, Any]) -> list[str]:
    r"""Return the lines of a table of sizes, with shares below.

    >>> sizes = {"tests": {"median": 3, "mean": 3.5, "max": 9}}
    >>> print(*table(sizes | {"inside": 0.25, "files": {"a.jsonl": 1.0}}), sep="\n")
                              median      mean       max
    tests                          3       3.5         9
    inside                       25%
    files: a.jsonl              100%
    """
    lines = [f"{'':<24}{'median':>8}{'mean':>10}{'max':>10}"]
    for name, value in summary.items():
        if isinstance(value, dict) and "median" in value:
            lines.append(f"{name:<24}{value['median']:>8,}{value['mean']:>10,}{value['max']:>10,}")
            continue
        # `inside` is one share, `files` has one for each file.
        shares = value.items() if isinstance(value, dict) else [("", value)]
        for part, share in shares:
            label = f"{name}: {part}" if part else name
            lines.append(f"{label:<24}{share:>8.0%}")
    return lines
