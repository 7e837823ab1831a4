"""Data checks before training: whether the pairs are worth the time on an accelerator."""

import logging
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from itertools import chain
from pathlib import Path

import numpy as np

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError
from iterpref_core.training.data.dataset import (
    TokenizedPair,
    marked_end,
    shared_prefix,
)

logger = logging.getLogger(__name__)

MAX_CUT_SHARE = 0.05
"""Pairs whose D- `max_length` cuts, wholly or partly: above this share of all, training on D- is refused."""
MAX_EMPTY_SHARE = 0.5
"""Pairs without a token in D-: above this share of all, training on D- is refused."""
WHOLE_SHARE = 0.95
"""Share of the rejected programs' tokens; a D- that has more is no region of them."""

_CUT = ("cut prompt", "cut chosen", "cut rejected", "cut focal")
_COLUMNS = (
    "prompt",
    "chosen",
    "rejected",
    "shared",
    "focal",
    "branch",
    *_CUT,
    "largest id",
    "blank",
)


@dataclass(frozen=True)
class Finding:
    """A fault of the data, with its remedy.

    Attributes:
        stops: a run should not start.
        text: one line.
    """

    stops: bool
    text: str


class PairChecks:
    """Twelve integers a pair, and two digests, by which repetitions are found.

    Of every pair, in tokens: prompt, both programs, `shared` (with which both begin), `focal` (of D-), `branch` (of y-
    up to the last of D-), and the tokens that the length limits cut off prompt, both programs and D-; besides, the
    largest token id, and 1 where the chosen program is blank.

    Attributes:
        tokens: a digest of all token ids, without the marks, once the checks are written.
        methods: names of the methods of localization, once the checks are written.
    """

    def __init__(self) -> None:
        self._numbers = array("i")
        self._ids = sha256()
        self._seen = set[bytes]()
        self._repeats = {
            "without_spans": 0,
            "same_pair": 0,
            "same_chosen": 0,
            "no_difference": 0,
        }
        self.tokens = ""
        self.methods: tuple[str, ...] = ()

    def add(self, row: TokenizedPair) -> None:
        """Count a pair."""
        numbers = {
            "prompt": len(row.prompt_ids),
            "chosen": len(row.chosen_ids),
            "rejected": len(row.rejected_ids),
            "shared": shared_prefix(row.chosen_ids, row.rejected_ids),
            "focal": sum(row.focal),
            "branch": marked_end(row.focal),
            "largest id": max(chain(row.prompt_ids, row.chosen_ids, row.rejected_ids)),
            "blank": row.blank,
        }
        numbers |= zip(_CUT, row.cut, strict=True)
        self._numbers.extend(numbers[name] for name in _COLUMNS)
        chosen = blake2b(
            _as_bytes(row.prompt_ids) + _as_bytes(row.chosen_ids),
            digest_size=16,
        )
        pair = chosen.copy()
        pair.update(_as_bytes(row.rejected_ids))
        self._ids.update(pair.digest())
        if pair.digest() in self._seen:
            self._repeats["same_pair"] += 1
        elif chosen.digest() in self._seen:
            self._repeats["same_chosen"] += 1
        self._seen |= {pair.digest(), chosen.digest()}
        self._repeats["no_difference"] += row.chosen_ids == row.rejected_ids

    def count_without_spans(self, pairs: int) -> None:
        """Count pairs that have no record of their error region, and are in none of the other numbers."""
        self._repeats["without_spans"] += pairs

    def save(self, path: Path, methods: Iterable[str]) -> None:
        """Write the numbers, and not the digests, but for `tokens`.

        Args:
            path: of the file, which NumPy reads.
            methods: names of the methods of localization.
        """
        np.savez(
            path,
            numbers=np.array(self._numbers),
            repeats=list(self._repeats.values()),
            tokens=self._ids.hexdigest(),
            methods=sorted(methods),
        )

    @classmethod
    def load(cls, path: Path) -> "PairChecks":
        """Return checks that were written; added pairs would not be known as repetitions of these."""
        read = np.load(path)
        checks = cls()
        checks._numbers = array("i", read["numbers"].tobytes())
        repeats = read["repeats"].tolist()
        checks._repeats = dict(zip(checks._repeats, repeats, strict=True))
        checks.tokens = str(read["tokens"])
        checks.methods = tuple(map(str, read["methods"]))
        return checks

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one of the integers of all pairs, (pairs,)."""
        column: np.ndarray = np.array(self._numbers, np.int64).reshape(-1, len(_COLUMNS))[:, _COLUMNS.index(name)]
        return column

    def __len__(self) -> int:
        return len(self._numbers) // len(_COLUMNS)

    def counts(self) -> dict[str, int]:
        """Return the number of pairs of each kind.

        D- is empty, wholly or partly cut off; prompts and y+ are cut; y+ is blank; a pair repeats another.
        """
        has_focal = self["focal"] > 0
        loses_focal = self["cut focal"] > 0
        kinds = {
            "focal_empty": ~has_focal & ~loses_focal,
            "focal_lost": ~has_focal & loses_focal,
            "focal_cut": has_focal & loses_focal,
            "prompts_cut": self["cut prompt"] > 0,
            "chosen_cut": self["cut chosen"] > 0,
            "blank": self["blank"],
        }
        counts = {name: int(marks.sum()) for name, marks in kinds.items()}
        return counts | self._repeats

    def lengths(self) -> dict[str, np.ndarray]:
        """Return the tokens before anything is cut, (pairs,) each; a `pair` is the prompt and the longer program."""
        whole = {name: self[name] + self[f"cut {name}"] for name in ("prompt", "chosen", "rejected")}
        return whole | {"pair": whole["prompt"] + np.maximum(whole["chosen"], whole["rejected"])}

    def numbers(self) -> dict[str, float]:
        """Return the key numbers: shares of the pairs, or of tokens where the name says so; lengths in tokens."""
        numbers: dict[str, float] = {}
        for name, count in self.counts().items():
            if name != "without_spans":
                numbers[f"{name}_share"] = count / len(self)
        rejected = int(self["rejected"].sum())
        after_focal = self["rejected"] - self["branch"]
        numbers["shared_prefix_token_share"] = float(self["shared"].sum() / rejected)
        numbers["after_focal_token_share"] = float(after_focal.sum() / rejected)
        # A prompt of 6 tokens, programs of 10 that share 4, and D- that ends at 7: padded rows have 6 + 10 + 6 + 10
        # tokens, a forked one 6 + 10 and the branch's 7 - 4.
        trunk = self["prompt"] + self["chosen"]
        branch = np.maximum(self["branch"] - self["shared"], 0)
        padded = trunk + self["prompt"] + self["rejected"]
        numbers["fork_token_share"] = float((trunk + branch).sum() / padded.sum())
        for name, sizes in self.lengths().items():
            for percent in (50, 95, 100):
                length = np.percentile(sizes, percent, method="inverted_cdf")
                numbers[f"{name}_tokens_p{percent}"] = float(length)
        return numbers

    def findings(self, params: TrainingParams) -> Iterator[Finding]:
        """Yield the faults of the data, each with its remedy.

        Args:
            params: limits of length, and the size of a batch, which decide some of them.
        """
        yield from self._region_findings()
        yield from self._length_findings(params)
        pairs = len(self)
        counts = self.counts()
        if pairs < params.batch_size:
            few = f"training.batch_size = {params.batch_size}, so each of {params.epochs} epochs is one step"
            yield self._finding(
                pairs,
                f"fewer pairs than one batch ({few})",
                "lower it, or bring more",
            )
        yield from self._if_any(
            counts["blank"],
            "the chosen program is empty",
            "drop these pairs, which teach to answer nothing",
            limit=0.0,
        )
        yield from self._if_any(
            counts["no_difference"],
            "chosen and rejected are the same tokens",
            "drop these pairs",
        )
        yield from self._if_any(counts["same_pair"], "a repetition of an earlier pair", "drop them")
        yield from self._if_any(
            counts["same_chosen"],
            "an earlier prompt and chosen with another rejected",
            "fine if intended",
        )

    def _region_findings(self) -> Iterator[Finding]:
        """Yield the faults of error regions: none known, too much of a program, or empty."""
        pairs = len(self)
        counts = self.counts()
        without = counts["without_spans"]
        if without:
            text = f"{without} of {without + pairs} pairs have no spans and are not trained on"
            yield Finding(
                False,
                f"{text}; localization left them out (localization.empty), or did not get them",
            )
        end_tokens = pairs  # one a program, and never in D-
        share = self["focal"].sum() / max(int(self["rejected"].sum()) - end_tokens, 1)
        if share > WHOLE_SHARE:
            text = f"D- is {share:.1%} of the rejected programs, so that focal objectives equal plain ones"
            yield Finding(
                False,
                f"{text}; pair each program with a closer fix, or choose another localization.method",
            )
        yield from self._if_any(
            counts["focal_empty"],
            "D- is empty",
            "set localization.empty to anchor or drop, or choose another method",
            limit=MAX_EMPTY_SHARE,
        )

    def _length_findings(self, params: TrainingParams) -> Iterator[Finding]:
        """Yield the pairs that the length limits cut."""
        counts = self.counts()
        longest = int(self.lengths()["pair"].max())
        enough = f" (the longest pair has {longest} tokens)" if longest > params.max_length else ""
        raised = f"raise training.max_length = {params.max_length}{enough} or drop long programs (pairs.max_tokens)"
        yield from self._if_any(
            counts["focal_lost"] + counts["focal_cut"],
            "D- is cut off, wholly or partly",
            raised,
            limit=MAX_CUT_SHARE,
        )
        yield from self._if_any(
            counts["chosen_cut"],
            "the chosen program loses its end, and never learns to stop",
            raised,
        )
        yield from self._if_any(
            counts["prompts_cut"],
            "the prompt loses its start",
            f"raise training.max_prompt_length = {params.max_prompt_length}",
        )

    def _if_any(self, count: int, text: str, remedy: str, limit: float = 1.0) -> Iterator[Finding]:
        """Yield the finding of some pairs, if there are any."""
        if count:
            yield self._finding(count, text, remedy, limit)

    def _finding(self, count: int, text: str, remedy: str, limit: float = 1.0) -> Finding:
        """Return the finding of some pairs.

        Args:
            count: how many they are.
            text: their fault.
            remedy: the thing to do.
            limit: the share of all pairs above which a run should not start; with 1 it always may.
        """
        pairs = len(self)
        stops = count > limit * pairs
        too_many = f", more than {limit:.0%}" if stops and limit else ""
        return Finding(
            stops,
            f"{text}: {count} of {pairs} pairs ({count / pairs:.1%}){too_many}; {remedy}",
        )


def _as_bytes(ids: Sequence[int]) -> bytes:
    """Return token ids as bytes that no other ids give, even if more of them follow."""
    return array("q", [len(ids), *ids]).tobytes()


def report_findings(findings: Iterable[Finding], *, needs_focal: bool) -> None:
    """Log the findings before training, and stop where it must.

    Args:
        findings: of `PairChecks`.
        needs_focal: the objective weighs D-; without it nothing stops a run.

    Raises:
        InputError: a finding stops the run; the message is all such findings.
    """
    listed = list(findings)
    for finding in listed:
        logger.warning("data: %s", finding.text)
    stopping = [finding.text for finding in listed if finding.stops]
    if stopping and needs_focal:
        raise InputError("; ".join(stopping))
