"""Near-duplicates: texts of nearly the same words, found without comparing all pairs.

MinHash (Broder, 1997) names candidates, generously; the true similarity of each decides.
"""

import re
from collections import defaultdict
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from numpy import ndarray

_HASHES = 128
"""The length of a signature: the least values that so many functions give to a text's runs."""
_MISSED = 0.005
"""The largest share of texts of exactly the stated similarity that are missed."""
_RUN = 3
"""The number of tokens in a row that are compared; a shorter text is compared whole."""


class NearDuplicates:
    """An index of the texts seen so far, with about 5 KB for each, and 4 bytes for each of its words.

    The same texts in the same order give the same answers.

    Args:
        similarity: the Jaccard similarity, 0 to 1, of two texts' runs of words and punctuation marks from which on a
            text is a near-duplicate.
    """

    def __init__(self, similarity: float) -> None:
        import numpy as np

        self._similarity = similarity
        # Factor and summand of each hash function: their results overflow, and so are any numbers of 64 bits.
        self._functions = np.random.default_rng(0).integers(2**64, size=(2, _HASHES, 1), dtype=np.uint64)
        # A band of a signature is shared if all of its values are. The longer the bands, the fewer candidates.
        self._length = 1
        for length in range(1, _HASHES):
            missed = (1 - similarity**length) ** (_HASHES // length)
            if missed <= _MISSED:
                self._length = length
        # Hash of a band and its place → the texts that have the band.
        self._bands: defaultdict[int, list[int]] = defaultdict(list)
        self._runs: list[ndarray] = []

    def add(self, text: str) -> bool:
        """Remember a text unless it is a near-duplicate of a remembered one. Return True if the text was new."""
        import numpy as np

        tokens = re.findall(r"\w+|[^\w\s]", text.lower())
        starts = range(max(1, len(tokens) - _RUN + 1))
        runs = {" ".join(tokens[start : start + _RUN]).encode("utf-8", "surrogatepass") for start in starts}
        hashes = np.unique(np.array([crc32(run) for run in runs], dtype=np.uint32))
        factors, summands = self._functions
        signature = (hashes * factors + summands).min(axis=1)
        starts = range(0, _HASHES - self._length + 1, self._length)
        bands = [hash((start, signature[start : start + self._length].tobytes())) for start in starts]
        for number in {number for band in bands for number in self._bands.get(band, ())}:
            known = self._runs[number]
            shared = len(np.intersect1d(hashes, known, assume_unique=True))
            if shared >= self._similarity * (len(hashes) + len(known) - shared):
                return False
        for band in bands:
            self._bands[band].append(len(self._runs))
        self._runs.append(hashes)
        return True
