"""Name values by a digest, such as the parameters of an experiment or the inputs of a stored result."""

import hashlib
import json


def digest_of(content: object, digits: int = 32) -> str:
    """Return a digest of a content, which does not depend on the order of its keys.

    Args:
        content: mappings, lists, texts and numbers.
        digits: number of hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:digits]
