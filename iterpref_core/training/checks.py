"""Data checks before training: whether the pairs are worth the time on an accelerator."""

import logging
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.training.dataset import TokenizedPair, cut_to_length, ids_as_bytes, tokenize_whole_pairs
from iterpref_core.training.masks import marked_end, shared_prefix

logger = logging.getLogger(__name__)

MAX_CUT_SHARE = 0.05
"""Pairs whose D- `max_length` cuts, wholly or partly: above this share of all, training on D- is refused."""
MAX_EMPTY_SHARE = 0.5
"""Pairs without a token in D-: above this share of all, training on D- is refused."""
WHOLE_SHARE = 0.95
"""Of the rejected programs' tokens: D- that has more is no region of them."""

_NUMBERS = ("prompt", "chosen", "rejected", "shared", "focal", "branch", "cut", "unfinished")
_WHOLE = ("whole prompt", "whole chosen", "whole rejected")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it. `stops`: a run should not start."""

    stops: bool
    text: str


class PairChecks:
    """Eleven integers a pair, and two digests, by which repetitions are found.

    Of every pair, in tokens: prompt, both programs, `shared` (with which both begin), `focal` (of D-), `branch` (of y-
    up to the last of D-), `cut` (of D- behind the length limit), whether y+ is `unfinished`, and lengths before a cut.

    Args:
        end_token: closes every program that was not cut.
        without_spans: pairs that have no record of their error region, and are in none of the other numbers.
    """

    def __init__(self, end_token: int | None, without_spans: int = 0) -> None:
        self._end, self._found = end_token, array("i")
        self._seen: set[bytes] = set()
        self._repeats = {"without_spans": without_spans, "same_pair": 0, "same_chosen": 0, "no_difference": 0}

    def add(self, row: TokenizedPair, whole: TokenizedPair) -> None:
        """Count a pair that is cut to the length limits; `whole` is it before, or the same again if not known."""
        self._found.extend(
            (
                len(row.prompt_ids), len(row.chosen_ids), len(row.rejected_ids),
                shared_prefix(row.chosen_ids, row.rejected_ids), sum(row.focal), marked_end(row.focal), row.cut,
                row.chosen_ids[-1:] != [self._end],
                len(whole.prompt_ids), len(whole.chosen_ids), len(whole.rejected_ids),
            )
        )  # fmt: skip
        chosen = blake2b(ids_as_bytes(whole.prompt_ids, whole.chosen_ids), digest_size=16)
        pair = chosen.copy()
        pair.update(ids_as_bytes(whole.rejected_ids))
        if pair.digest() in self._seen:
            self._repeats["same_pair"] += 1
        elif chosen.digest() in self._seen:
            self._repeats["same_chosen"] += 1
        self._seen |= {pair.digest(), chosen.digest()}
        self._repeats["no_difference"] += whole.chosen_ids == whole.rejected_ids

    def save(self, path: Path) -> None:
        """Write the numbers; not the digests."""
        np.savez(path, found=np.array(self._found, np.int32), repeats=np.array(list(self._repeats.values())))

    @classmethod
    def load(cls, path: Path) -> "PairChecks":
        """Checks that were written; to add pairs would not find what these repeat."""
        checks, read = cls(None), np.load(path)
        checks._found = array("i", read["found"].tobytes())
        checks._repeats = dict(zip(checks._repeats, read["repeats"].tolist(), strict=True))
        return checks

    def __getitem__(self, name: str) -> np.ndarray:
        """(pairs,) of one of the integers; `pair` is the whole prompt and the longer whole program."""
        if name == "pair":
            pair: np.ndarray = np.maximum(self["whole chosen"], self["whole rejected"]) + self["whole prompt"]
            return pair
        names = (*_NUMBERS, *_WHOLE)
        column: np.ndarray = np.array(self._found, np.int64).reshape(-1, len(names))[:, names.index(name)]
        return column

    def __len__(self) -> int:
        return len(self._found) // len((*_NUMBERS, *_WHOLE))

    def counts(self) -> dict[str, int]:
        """Pairs of each kind: D- empty, wholly or partly behind the length limit, prompts and y+ cut; repetitions."""
        focal, cut = self["focal"] > 0, self["cut"] > 0
        return {
            "focal_empty": int((~focal & ~cut).sum()),
            "focal_lost": int((~focal & cut).sum()),
            "focal_cut": int((focal & cut).sum()),
            "prompts_cut": int((self["whole prompt"] > self["prompt"]).sum()),
            "chosen_cut": int(self["unfinished"].sum()),
        } | self._repeats

    def lengths(self) -> dict[str, np.ndarray]:
        """(pairs,) tokens before anything is cut."""
        whole = {name: self[f"whole {name}"] for name in ("prompt", "chosen", "rejected")}
        return whole | {"pair": self["pair"]}

    def numbers(self) -> dict[str, float]:
        """The key numbers: shares of the pairs, or of tokens where the name says so; lengths in tokens."""
        pairs, rejected = max(len(self), 1), max(int(self["rejected"].sum()), 1)
        trunk = self["prompt"] + self["chosen"]
        forked = trunk + np.maximum(self["branch"] - self["shared"], 0)
        padded = trunk + self["prompt"] + self["rejected"]
        return {
            **{f"{name}_share": n / pairs for name, n in self.counts().items() if name != "without_spans"},
            "shared_prefix_token_share": float(self["shared"].sum() / rejected),
            "after_focal_token_share": float((self["rejected"] - self["branch"]).sum() / rejected),
            "fork_token_share": float(forked.sum() / max(int(padded.sum()), 1)),
            **{
                f"{name}_tokens_p{percent}": float(quantile(sizes, percent))
                for name, sizes in self.lengths().items()
                for percent in (50, 95, 100)
            },
        }

    def histogram(self) -> dict[str, dict[str, int]]:
        """For each length, how many pairs lie below each power of two and not below the one before."""
        bins = {name: np.bincount(np.frexp(sizes)[1]) for name, sizes in self.lengths().items()}
        return {name: {f"<{2**bits}": int(n) for bits, n in enumerate(found) if n} for name, found in bins.items()}

    def findings(self, params: TrainingParams) -> Iterator[Finding]:
        """What is wrong, each with what to do."""
        pairs, counts = len(self), self.counts()
        without, empty, lost, cut = (
            counts[name] for name in ("without_spans", "focal_empty", "focal_lost", "focal_cut")
        )

        def of(count: int) -> str:
            return f"{count} of {pairs} pairs ({count / pairs:.1%})"

        if without:
            text = f"{without} of {without + pairs} pairs have no spans and take no part"
            yield Finding(False, f"{text}: localization left them out (localization.empty), or has not seen them")
        if pairs and empty + lost == pairs:
            yield Finding(True, "no pair has a token in D-: localize the pairs again, or raise training.max_length")
        elif empty:
            stops = empty > MAX_EMPTY_SHARE * pairs
            text = f"D- is empty in {of(empty)}{f', more than {MAX_EMPTY_SHARE:.0%}' if stops else ''}"
            yield Finding(stops, f"{text}: set localization.empty to anchor or drop, or choose another method")
        share = self["focal"].sum() / max(int(self["rejected"].sum()) - pairs, 1)  # the end token is never in D-
        if share > WHOLE_SHARE:
            text = f"D- is {share:.1%} of the rejected programs, so that focal objectives do what plain ones do"
            yield Finding(False, f"{text}: pair each program with a closer fix, or choose another localization.method")
        longest = int(self["pair"].max(initial=0))
        enough = f" (the longest pair has {longest} tokens)" if longest > params.max_length else ""
        limit = f"raise training.max_length = {params.max_length}{enough} or drop long programs (pairs.max_tokens)"
        if lost + cut:
            stops = lost + cut > MAX_CUT_SHARE * pairs
            text = f"D- is cut off wholly in {lost} and partly in {cut} of {pairs} pairs"
            yield Finding(stops, f"{text}{f', more than {MAX_CUT_SHARE:.0%}' if stops else ''}: {limit}")
        few = f"training.batch_size = {params.batch_size}, so each of {params.epochs} epochs is one step"
        for found, text, remedy in (
            (counts["chosen_cut"], "the chosen program loses its end, and never learns to stop", limit),
            (
                counts["prompts_cut"], "the prompt loses its start",
                f"raise training.max_prompt_length = {params.max_prompt_length}",
            ),
            (pairs * (pairs < params.batch_size), f"fewer pairs than one batch ({few})", "lower it, or bring more"),
            (counts["no_difference"], "chosen and rejected are the same tokens", "drop these pairs"),
            (counts["same_pair"], "prompt, chosen and rejected stand there already", "drop the repetitions"),
            (counts["same_chosen"], "prompt and chosen stand there with another rejected", "fine where it is meant"),
        ):  # fmt: skip
            if found:
                yield Finding(False, f"{text}: {of(found)}; {remedy}")


def check_pairs(
    joined: Iterable[tuple[PreferencePair, FocalSpans]],
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
    without_spans: int = 0,
) -> PairChecks:
    """Check pairs as they stand in the files, some dozens at a time; lengths are those before anything is cut.

    Args:
        joined: pairs with their error regions.
        tokenizer: of the model that would be trained.
        params: length limits.
        without_spans: how many pairs have none.

    Raises:
        ModelError: the tokenizer gives no offsets.
    """
    checks = PairChecks(tokenizer.eos_token_id, without_spans)
    for whole in tokenize_whole_pairs(joined, tokenizer, params.answer):
        checks.add(cut_to_length(whole, params, tokenizer.bos_token_id), whole)
    return checks


def report_findings(findings: Iterable[Finding], *, needs_focal: bool) -> None:
    """Log what was found before training, and stop where it must.

    Args:
        findings: of `PairChecks`.
        needs_focal: the objective weighs D-; without it nothing stops a run.

    Raises:
        InputError: a finding stops the run; the message is all such findings.
    """
    found = list(findings)
    for finding in found:
        logger.warning("data: %s", finding.text)
    stopping = [finding.text for finding in found if finding.stops]
    if stopping and needs_focal:
        raise InputError("; ".join(stopping))


def quantile(values: np.ndarray, percent: int) -> int:
    """The smallest value that at least `percent` of all values do not exceed; 0 of none.

    >>> quantile(np.array([1, 2, 3, 40]), 50)
    2
    """
    return int(np.sort(values)[-(-len(values) * percent // 100) - 1]) if len(values) else 0
