"""Data checks before training: whether the pairs are worth the time on an accelerator."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from transformers import PreTrainedTokenizerBase

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.training.dataset import TokenizedPair, cut_to_length, ids_as_bytes, tokenize_whole_pairs
from iterpref_core.training.masks import marked_end, shared_prefix

logger = logging.getLogger(__name__)

MAX_CUT_SHARE = 0.05
"""Pairs whose D- `max_length` cuts, wholly or partly: above this share of all, training on D- is refused."""
WHOLE_SHARE = 0.95
"""Of the rejected programs' tokens: D- that has more is no region of them."""
MAX_EMPTY_SHARE = 0.5
"""Pairs without a token in D-: above this share of all, training on D- is refused."""
LENGTHS = ("prompt", "chosen", "rejected", "pair")
"""What lengths are counted of; a pair is as long as its prompt and the longer program, which `max_length` bounds."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it. `stops`: a run should not start."""

    stops: bool
    text: str


@dataclass
class PairChecks:
    """Sums over pairs. Kept for each pair: two digests, by which repetitions are found.

    `without_spans`: pairs that have no record of their error region, and are in none of the other numbers.
    `focal_empty`: pairs without D-. `focal_lost`, `focal_cut`: those whose D- the length limit cuts off, wholly or in
    part. `same_pair` repeats an earlier pair, `same_chosen` an earlier prompt and chosen program with another rejected
    one. `no_difference`: both programs are the same tokens. `tokens_forked`: what the layout `fork` computes of the
    `tokens_padded`; it leaves out the rejected tokens that are shared with the chosen program or come after D-.
    `tokens_focal`: those of D-, and `tokens_focal_cut` those of D- that the length limit cuts off.
    """

    pairs: int = 0
    without_spans: int = 0
    focal_empty: int = 0
    focal_lost: int = 0
    focal_cut: int = 0
    same_pair: int = 0
    same_chosen: int = 0
    no_difference: int = 0
    prompts_cut: int = 0
    chosen_cut: int = 0
    tokens_padded: int = 0
    tokens_forked: int = 0
    tokens_rejected: int = 0
    tokens_shared: int = 0
    tokens_after_focal: int = 0
    tokens_focal: int = 0
    tokens_focal_cut: int = 0
    lengths: dict[str, Counter[int]] = field(default_factory=lambda: {name: Counter() for name in LENGTHS})
    _pairs_seen: set[bytes] = field(default_factory=set)
    _chosen_seen: set[bytes] = field(default_factory=set)

    def add(self, row: TokenizedPair, whole: TokenizedPair, end_token: int) -> None:
        """Count one pair.

        Args:
            row: the pair cut to the length limits.
            whole: the same pair before that; the cut one again where it is all that is known.
            end_token: closes every program that was not cut.
        """
        self.pairs += 1
        self.focal_empty += not any(row.focal) and not row.cut
        self.focal_lost += not any(row.focal) and row.cut > 0
        self.focal_cut += any(row.focal) and row.cut > 0
        self.no_difference += whole.chosen_ids == whole.rejected_ids
        self.prompts_cut += len(whole.prompt_ids) > len(row.prompt_ids)
        self.chosen_cut += row.chosen_ids[-1:] != [end_token]
        self._count_repetition(whole)
        self._count_tokens(row)
        sizes = (len(whole.prompt_ids), len(whole.chosen_ids), len(whole.rejected_ids), whole.length)
        for name, size in zip(LENGTHS, sizes, strict=True):
            self.lengths[name][size] += 1

    def _count_repetition(self, row: TokenizedPair) -> None:
        chosen = blake2b(ids_as_bytes(row.prompt_ids, row.chosen_ids), digest_size=16)
        pair = chosen.copy()
        pair.update(ids_as_bytes(row.rejected_ids))
        if pair.digest() in self._pairs_seen:
            self.same_pair += 1
        elif chosen.digest() in self._chosen_seen:
            self.same_chosen += 1
        self._pairs_seen.add(pair.digest())
        self._chosen_seen.add(chosen.digest())

    def _count_tokens(self, row: TokenizedPair) -> None:
        """The fork layout computes the trunk, and of the rejected program what lies between the fork and D-'s end."""
        shared, last = shared_prefix(row.chosen_ids, row.rejected_ids), marked_end(row.focal)
        trunk = len(row.prompt_ids) + len(row.chosen_ids)
        self.tokens_shared += shared
        self.tokens_rejected += len(row.rejected_ids)
        self.tokens_after_focal += len(row.rejected_ids) - last
        self.tokens_focal += sum(row.focal)
        self.tokens_focal_cut += row.cut
        self.tokens_padded += trunk + len(row.prompt_ids) + len(row.rejected_ids)
        self.tokens_forked += trunk + max(0, last - shared)

    def counts(self) -> dict[str, Any]:
        """All sums, as JSON takes them; not the digests."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    @classmethod
    def from_counts(cls, counts: Mapping[str, Any]) -> "PairChecks":
        """Checks whose `counts` were read back from JSON; to add pairs would not find what these repeat."""
        lengths = {
            name: Counter({int(size): number for size, number in sizes.items()})
            for name, sizes in counts["lengths"].items()
        }
        return cls(**{**counts, "lengths": lengths})

    def numbers(self) -> dict[str, float]:
        """The key numbers: shares of the pairs, or of tokens where the name says so; lengths in tokens."""
        pairs, rejected = max(self.pairs, 1), max(self.tokens_rejected, 1)
        shares = ("focal_empty", "focal_lost", "focal_cut", "same_pair", "same_chosen", "no_difference")
        counted = {f"{name}_share": getattr(self, name) / pairs for name in (*shares, "prompts_cut", "chosen_cut")}
        return {
            **counted,
            "shared_prefix_token_share": self.tokens_shared / rejected,
            "after_focal_token_share": self.tokens_after_focal / rejected,
            "fork_token_share": self.tokens_forked / max(self.tokens_padded, 1),
            **{
                f"{name}_tokens_p{p}": float(quantile(self.lengths[name], p)) for name in LENGTHS for p in (50, 95, 100)
            },
        }

    def metrics(self) -> dict[str, float]:
        """The numbers of `check_rows`, under names that stand apart from those of training."""
        return {f"data/{name}": value for name, value in self.numbers().items() if name != "prompts_cut_share"}

    def histogram(self) -> dict[str, dict[str, int]]:
        """For each length, how many pairs lie below each power of two and not below the one before."""
        found: dict[str, Counter[int]] = {name: Counter() for name in LENGTHS}
        for name, counts in self.lengths.items():
            for size, number in counts.items():
                found[name][size.bit_length()] += number
        return {name: {f"<{2**bits}": n for bits, n in sorted(bins.items())} for name, bins in found.items()}

    def findings(self, params: TrainingParams) -> Iterator[Finding]:
        """What is wrong, the worst first, each with what to do."""
        if self.without_spans:
            every = self.without_spans + self.pairs
            text = f"{self.without_spans} of {every} pairs have no spans and take no part"
            yield Finding(False, f"{text}: localization left them out (localization.empty), or has not seen them")
        if self.pairs and self.focal_empty + self.focal_lost == self.pairs:
            yield Finding(True, "no pair has a token in D-: localize the pairs again, or raise training.max_length")
        elif self.focal_empty > MAX_EMPTY_SHARE * self.pairs:
            text = f"D- is empty in {self._of(self.focal_empty)}, more than {MAX_EMPTY_SHARE:.0%}"
            yield Finding(
                True, f"{text}: set localization.empty to anchor or drop, or choose another localization.method"
            )
        elif self.focal_empty:
            yield Finding(False, f"D- is empty in {self._of(self.focal_empty)}: localization.empty decides about them")
        share = self.tokens_focal / max(self.tokens_rejected - self.pairs, 1)  # the end token is never in D-
        if share > WHOLE_SHARE:
            text = f"D- is {share:.1%} of the rejected programs, so that focal objectives do what plain ones do"
            yield Finding(False, f"{text}: pair each program with a closer fix, or choose another localization.method")
        yield from self._cut_findings(params)
        if 0 < self.pairs < params.batch_size:
            yield Finding(
                False,
                f"fewer pairs than one batch: {self.pairs}, and training.batch_size = {params.batch_size}, so each of "
                f"{params.epochs} epochs is one step; lower it, or bring more problems",
            )
        for count, what, remedy in (
            (self.no_difference, "chosen and rejected are the same tokens", "drop these pairs"),
            (self.same_pair, "prompt, chosen and rejected stand there already", "drop the repetitions"),
            (self.same_chosen, "prompt and chosen stand there with another rejected", "fine where it is meant"),
        ):
            if count:
                yield Finding(False, f"{what}: {self._of(count)}; {remedy}")

    def _cut_findings(self, params: TrainingParams) -> Iterator[Finding]:
        longest = max(self.lengths["pair"], default=0)
        enough = f" (the longest pair has {longest} tokens)" if longest > params.max_length else ""
        limit = f"raise training.max_length = {params.max_length}{enough} or drop long programs (pairs.max_tokens)"
        cut = self.focal_lost + self.focal_cut
        if cut:
            stops = cut > MAX_CUT_SHARE * self.pairs
            text = f"D- is cut off wholly in {self.focal_lost} and partly in {self.focal_cut} of {self.pairs} pairs"
            yield Finding(stops, f"{text}{f', more than {MAX_CUT_SHARE:.0%}' if stops else ''}: {limit}")
        if self.chosen_cut:
            text = f"the chosen program loses its end in {self._of(self.chosen_cut)}, and never learns to stop"
            yield Finding(False, f"{text}: {limit}")
        if self.prompts_cut:
            text = f"the prompt loses its start in {self._of(self.prompts_cut)}"
            yield Finding(False, f"{text}: raise training.max_prompt_length = {params.max_prompt_length}")

    def _of(self, count: int) -> str:
        return f"{count} of {self.pairs} pairs ({count / self.pairs:.1%})"


def check_rows(rows: Iterable[TokenizedPair], end_token: int) -> PairChecks:
    """Check pairs that are already cut to length: how much of prompts and programs was lost is not known."""
    checks = PairChecks()
    for row in rows:
        checks.add(row, row, end_token)
    return checks


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
    checks = PairChecks(without_spans=without_spans)
    for whole in tokenize_whole_pairs(joined, tokenizer, params.answer):
        checks.add(cut_to_length(whole, params, tokenizer.bos_token_id), whole, tokenizer.eos_token_id)
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


def quantile(counts: Counter[int], percent: int) -> int:
    """The smallest value that at least `percent` of all values do not exceed.

    >>> quantile(Counter([1, 2, 3, 40]), 50)
    2
    """
    waiting = -(-counts.total() * percent // 100)
    for value in sorted(counts):
        waiting -= counts[value]
        if waiting <= 0:
            return value
    return 0
