"""Near-duplicates: texts that say nearly the same, found without comparing all pairs, by MinHash (Broder, 1997)."""

import re
from collections.abc import Callable

from datasketch import LeanMinHash, MinHash, MinHashLSH

_PERMUTATIONS = 128
"""The estimate of a similarity s has a standard error of sqrt(s (1 - s) / 128): 0.04 at 0.7."""
_LEEWAY = 0.8


def word_shingles(text: str) -> set[str]:
    """The runs of three words of a text, but for case and punctuation; all of a shorter one: for what people read."""
    return _runs(re.findall(r"\w+", text.lower()), 3)


def token_shingles(text: str) -> set[str]:
    """The runs of five tokens, words or punctuation marks, of a text; all of a shorter one: for programs."""
    return _runs(re.findall(r"\w+|[^\w\s]", text), 5)


def _runs(items: list[str], length: int) -> set[str]:
    return {" ".join(items[start : start + length]) for start in range(max(1, len(items) - length + 1))}


class NearDuplicates:
    """The texts seen so far, as signatures of about 8 KB each. The same texts in the same order give the same answers.

    Args:
        similarity: estimated Jaccard similarity of two sets of shingles, from which on a text is a near-duplicate.
        shingles: the set of a text.
    """

    def __init__(self, similarity: float, shingles: Callable[[str], set[str]] = word_shingles) -> None:
        self._similarity, self._shingles = similarity, shingles
        # Hashing misses many texts at its threshold: it takes in some that are less similar, which are told apart then.
        self._index = MinHashLSH(threshold=_LEEWAY * similarity, num_perm=_PERMUTATIONS)
        self._signatures: list[LeanMinHash] = []

    def add(self, text: str) -> bool:
        """Remember a text, unless it is a near-duplicate of one that is remembered; says whether it was new."""
        signature = self._signature(text)
        near = (self._signatures[place] for place in self._index.query(signature))
        if any(signature.jaccard(other) >= self._similarity for other in near):
            return False
        self._index.insert(len(self._signatures), signature, check_duplication=False)
        self._signatures.append(signature)
        return True

    def _signature(self, text: str) -> LeanMinHash:
        signature = MinHash(num_perm=_PERMUTATIONS)
        signature.update_batch([run.encode("utf-8", "surrogatepass") for run in sorted(self._shingles(text))])
        return LeanMinHash(signature)
