"""Digest: a short name of values, such as the parameters of an experiment, or all that decides a stored result."""

import hashlib
import json


def digest_of(content: object, digits: int = 32) -> str:
    """Return a digest that is equal for equal contents, whatever the order of their keys.

    Args:
        content: mappings, lists, texts and numbers.
        digits: number of hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:digits]
