"""Remove secrets from URLs before they appear in messages and files."""

import re
from typing import Annotated

from pydantic import AfterValidator


def without_passwords(text: str) -> str:
    """Return a text without the users, passwords and tokens of its URLs.

    >>> without_passwords("http://me:s3cret@host:5000/api does not answer")
    'http://host:5000/api does not answer'
    >>> without_passwords("postgresql://host/db?user=me&password=s3cret")
    'postgresql://host/db?user=me&password=…'
    """
    # Up to the last @ before the path: a password may also contain one.
    text = re.sub(r"(?<=://)[^/\s'\"]*@", "", text)
    return re.sub(r"(?i)(?<=[?&])(\w*(?:password|token|secret|key))=[^&\s'\"]+", r"\1=…", text)


ShownText = Annotated[str, AfterValidator(without_passwords)]
"""The type of a field that is shown, or kept in a file."""
