"""Near-duplicates: texts of nearly the same words, found without comparing all pairs.

MinHash (Broder, 1997) names candidates, generously; the true similarity of each decides.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import ndarray

_PERMUTATIONS = 128
_WEIGHTS = (0.001, 0.999)
"""The weights of candidates that are none, which cost a comparison, and of candidates that are missed. With these, more
than 99.5% of the texts of exactly the stated similarity are found, for each similarity of 0.5 to 0.95."""
_RUN = 3
"""The number of tokens in a row that are compared; a shorter text is compared whole."""


class NearDuplicates:
    """An index of the texts seen so far, with about 8 KB for each, and 8 bytes for each of its words.

    The same texts in the same order give the same answers.

    Args:
        similarity: the Jaccard similarity, 0 to 1, of two texts' runs of words and punctuation marks from which on a
            text is a near-duplicate.
    """

    def __init__(self, similarity: float) -> None:
        from datasketch import MinHashLSH

        self._similarity = similarity
        self._index = MinHashLSH(num_perm=_PERMUTATIONS, threshold=similarity, weights=_WEIGHTS)
        self._runs: list[ndarray] = []

    def add(self, text: str) -> bool:
        """Remember a text unless it is a near-duplicate of a remembered one. Return True if the text was new."""
        import numpy as np
        from datasketch import MinHash

        tokens = re.findall(r"\w+|[^\w\s]", text.lower())
        starts = range(max(1, len(tokens) - _RUN + 1))
        runs = {" ".join(tokens[start : start + _RUN]) for start in starts}
        signature = MinHash(num_perm=_PERMUTATIONS)
        signature.update_batch([run.encode("utf-8", "surrogatepass") for run in sorted(runs)])
        # These hashes never leave the process, and two runs share one once in 10^13 look-ups.
        hashes = np.array(sorted(map(hash, runs)))
        for number in self._index.query(signature):
            known = self._runs[number]
            shared = len(np.intersect1d(hashes, known, assume_unique=True))
            if shared >= self._similarity * (len(hashes) + len(known) - shared):
                return False
        self._index.insert(len(self._runs), signature)
        self._runs.append(hashes)
        return True
