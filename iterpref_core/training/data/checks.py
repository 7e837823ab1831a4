"""Data checks before training: whether the pairs are worth the time on an accelerator."""

import logging
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha256
from itertools import chain
from pathlib import Path

import numpy as np

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError
from iterpref_core.training.data.dataset import TokenizedPair, marked_end, shared_prefix

logger = logging.getLogger(__name__)

MAX_CUT_SHARE = 0.05
"""Pairs whose D- `max_length` cuts, wholly or partly: above this share of all, training on D- is refused."""
MAX_EMPTY_SHARE = 0.5
"""Pairs without a token in D-: above this share of all, training on D- is refused."""
WHOLE_SHARE = 0.95
"""Of the rejected programs' tokens: D- that has more is no region of them."""

_COLUMNS = (
    "prompt", "chosen", "rejected", "shared", "focal", "branch",
    "cut prompt", "cut chosen", "cut rejected", "cut focal", "largest id", "blank",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it. `stops`: a run should not start."""

    stops: bool
    text: str


class PairChecks:
    """Twelve integers a pair, and two digests, by which repetitions are found.

    Of every pair, in tokens: prompt, both programs, `shared` (with which both begin), `focal` (of D-), `branch` (of y-
    up to the last of D-), and what the length limits cut off of prompt, both programs and D-; besides, the largest
    token id, and 1 where the chosen program is blank.

    Attributes:
        tokens: a digest of all token ids, without the marks, once the checks are written.
        methods: names of the methods of localization, once the checks are written.
    """

    def __init__(self) -> None:
        self._numbers = array("i")
        self._ids = sha256()
        self._seen = set[bytes]()
        self._repeats = {"without_spans": 0, "same_pair": 0, "same_chosen": 0, "no_difference": 0}
        self.tokens = ""
        self.methods: tuple[str, ...] = ()

    def add(self, row: TokenizedPair) -> None:
        """Count a pair."""
        self._numbers.extend(
            (
                len(row.prompt_ids), len(row.chosen_ids), len(row.rejected_ids),
                shared_prefix(row.chosen_ids, row.rejected_ids), sum(row.focal), marked_end(row.focal), *row.cut,
                max(chain(row.prompt_ids, row.chosen_ids, row.rejected_ids)), row.blank,
            )
        )  # fmt: skip
        prompt, *programs = (array("q", [len(ids), *ids]) for ids in (row.prompt_ids, row.chosen_ids, row.rejected_ids))
        chosen = blake2b(prompt + programs[0], digest_size=16)
        pair = chosen.copy()
        pair.update(programs[1])
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
        """Return checks that were written; to add pairs would not find what these repeat."""
        read = np.load(path)
        checks = cls()
        checks._numbers = array("i", read["numbers"].tobytes())
        checks._repeats = dict(zip(checks._repeats, read["repeats"].tolist(), strict=True))
        checks.tokens = str(read["tokens"])
        checks.methods = tuple(map(str, read["methods"]))
        return checks

    def __getitem__(self, name: str) -> np.ndarray:
        """(pairs,) of one of the integers."""
        column: np.ndarray = np.array(self._numbers, np.int64).reshape(-1, len(_COLUMNS))[:, _COLUMNS.index(name)]
        return column

    def __len__(self) -> int:
        return len(self._numbers) // len(_COLUMNS)

    def counts(self) -> dict[str, int]:
        """Pairs of each kind: D- empty, wholly or partly cut off, prompts and y+ cut, y+ blank; repetitions."""
        focal, cut = self["focal"] > 0, self["cut focal"] > 0
        return {
            "focal_empty": int((~focal & ~cut).sum()),
            "focal_lost": int((~focal & cut).sum()),
            "focal_cut": int((focal & cut).sum()),
            "prompts_cut": int((self["cut prompt"] > 0).sum()),
            "chosen_cut": int((self["cut chosen"] > 0).sum()),
            "blank": int(self["blank"].sum()),
        } | self._repeats

    def lengths(self) -> dict[str, np.ndarray]:
        """(pairs,) tokens before anything is cut; a `pair` is the prompt and the longer program."""
        whole = {name: self[name] + self[f"cut {name}"] for name in ("prompt", "chosen", "rejected")}
        return whole | {"pair": whole["prompt"] + np.maximum(whole["chosen"], whole["rejected"])}

    def numbers(self) -> dict[str, float]:
        """The key numbers: shares of the pairs, or of tokens where the name says so; lengths in tokens."""
        rejected = int(self["rejected"].sum())
        trunk = self["prompt"] + self["chosen"]
        forked = trunk + np.maximum(self["branch"] - self["shared"], 0)
        padded = trunk + self["prompt"] + self["rejected"]
        return {
            **{f"{name}_share": n / len(self) for name, n in self.counts().items() if name != "without_spans"},
            "shared_prefix_token_share": float(self["shared"].sum() / rejected),
            "after_focal_token_share": float((self["rejected"] - self["branch"]).sum() / rejected),
            "fork_token_share": float(forked.sum() / padded.sum()),
            **{
                f"{name}_tokens_p{percent}": float(np.percentile(sizes, percent, method="inverted_cdf"))
                for name, sizes in self.lengths().items()
                for percent in (50, 95, 100)
            },
        }

    def findings(self, params: TrainingParams) -> Iterator[Finding]:
        """What is wrong, each with what to do."""
        pairs, counts = len(self), self.counts()
        if without := counts["without_spans"]:
            text = f"{without} of {without + pairs} pairs have no spans and are not trained on"
            yield Finding(False, f"{text}; localization left them out (localization.empty), or did not get them")
        share = self["focal"].sum() / max(int(self["rejected"].sum()) - pairs, 1)  # the end token is never in D-
        if share > WHOLE_SHARE:
            text = f"D- is {share:.1%} of the rejected programs, so that focal objectives equal plain ones"
            yield Finding(False, f"{text}; pair each program with a closer fix, or choose another localization.method")
        longest = int(self.lengths()["pair"].max())
        enough = f" (the longest pair has {longest} tokens)" if longest > params.max_length else ""
        raised = f"raise training.max_length = {params.max_length}{enough} or drop long programs (pairs.max_tokens)"
        few = f"training.batch_size = {params.batch_size}, so each of {params.epochs} epochs is one step"
        for count, limit, text, remedy in (
            (
                counts["focal_empty"], MAX_EMPTY_SHARE, "D- is empty",
                "set localization.empty to anchor or drop, or choose another method",
            ),
            (counts["focal_lost"] + counts["focal_cut"], MAX_CUT_SHARE, "D- is cut off, wholly or partly", raised),
            (counts["chosen_cut"], 1, "the chosen program loses its end, and never learns to stop", raised),
            (
                counts["prompts_cut"], 1, "the prompt loses its start",
                f"raise training.max_prompt_length = {params.max_prompt_length}",
            ),
            (pairs * (pairs < params.batch_size), 1, f"fewer pairs than one batch ({few})", "lower it, or bring more"),
            (counts["blank"], 0, "the chosen program is empty", "drop these pairs, which teach to answer nothing"),
            (counts["no_difference"], 1, "chosen and rejected are the same tokens", "drop these pairs"),
            (counts["same_pair"], 1, "a repetition of an earlier pair", "drop them"),
            (counts["same_chosen"], 1, "an earlier prompt and chosen with another rejected", "fine if intended"),
        ):  # fmt: skip
            if count:
                stops = count > limit * pairs
                too_many = f", more than {limit:.0%}" if stops and limit else ""
                yield Finding(stops, f"{text}: {count} of {pairs} pairs ({count / pairs:.1%}){too_many}; {remedy}")


def report_findings(findings: Iterable[Finding], *, needs_focal: bool) -> None:
    """Log what was found before training, and stop where it must.

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
