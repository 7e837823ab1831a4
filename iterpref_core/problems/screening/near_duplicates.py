"""Near-duplicates: texts of nearly the same words, found without comparing all pairs.

MinHash (Broder, 1997) names candidates, generously; the true similarity of each decides.
"""

import re
from array import array
from zlib import crc32

from iterpref_core.records.statement import word_runs

_PERMUTATIONS = 128
_WEIGHTS = (0.001, 0.999)
"""The weights of candidates that are none, which cost a comparison, and of candidates that are missed. With these, more
than 99.5% of the texts of exactly the stated similarity are found, for each similarity of 0.5 to 0.95."""
_RUN = 3
"""The number of tokens in a row that are compared; a shorter text is compared whole."""


class NearDuplicates:
    """An index of the texts seen so far, with about 8 KB for each, and 4 bytes for each of its words.

    The same texts in the same order give the same answers.

    Args:
        similarity: the Jaccard similarity, 0 to 1, of two texts' runs of words and punctuation marks from which on a
            text is a near-duplicate.
    """

    def __init__(self, similarity: float) -> None:
        from datasketch import MinHash, MinHashLSH

        self._similarity = similarity
        self._index = MinHashLSH(num_perm=_PERMUTATIONS, threshold=similarity, weights=_WEIGHTS)
        # One signature for all texts: to draw its permutations takes as long as a text. Runs come to it as hashes.
        self._signature = MinHash(num_perm=_PERMUTATIONS, hashfunc=int)
        self._runs: list[array[int]] = []

    def add(self, text: str) -> bool:
        """Remember a text unless it is a near-duplicate of a remembered one. Return True if the text was new."""
        tokens = re.findall(r"\w+|[^\w\s]", text.lower())
        # No token has a line break. Two different runs share a hash once in 4 * 10^9 comparisons.
        lines = "\n".join(map(" ".join, word_runs(tokens, min(_RUN, len(tokens)))))
        hashes = set(map(crc32, lines.encode("utf-8", "surrogatepass").split(b"\n")))
        self._signature.clear()
        self._signature.update_batch(hashes)
        for number in self._index.query(self._signature):
            known = self._runs[number]
            shared = len(hashes.intersection(known))
            if shared >= self._similarity * (len(hashes) + len(known) - shared):
                return False
        self._index.insert(len(self._runs), self._signature)
        self._runs.append(array("I", hashes))
        return True
