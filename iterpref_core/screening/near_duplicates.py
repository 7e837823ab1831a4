"""Near-duplicates: texts of nearly the same words, found without comparing all pairs, by MinHash (Broder, 1997)."""

import re

_PERMUTATIONS = 128
"""The estimate of a similarity s has a standard error of sqrt(s (1 - s) / 128): 0.04 at 0.7."""
_RUN = 3
"""The number of tokens in a row that are compared; a shorter text is compared whole."""


class NearDuplicates:
    """An index of the texts seen so far, as signatures of about 8 KB each.

    The same texts in the same order give the same answers.

    Args:
        similarity: the estimated Jaccard similarity of two texts' runs of words and punctuation marks from which on a
            text is most likely taken for a near-duplicate.
    """

    def __init__(self, similarity: float) -> None:
        from datasketch import MinHashLSH

        self._index = MinHashLSH(threshold=similarity, num_perm=_PERMUTATIONS)

    def add(self, text: str) -> bool:
        """Remember a text unless it is a near-duplicate of a remembered one. Return True if the text was new."""
        from datasketch import MinHash

        tokens = re.findall(r"\w+|[^\w\s]", text.lower())
        starts = range(max(1, len(tokens) - _RUN + 1))
        runs = {" ".join(tokens[start : start + _RUN]) for start in starts}
        encoded = [run.encode("utf-8", "surrogatepass") for run in sorted(runs)]
        signature = MinHash(num_perm=_PERMUTATIONS)
        signature.update_batch(encoded)
        if self._index.query(signature):
            return False
        number = len(self._index.keys)
        self._index.insert(number, signature)
        return True
