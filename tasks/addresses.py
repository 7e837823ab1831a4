"""Addresses: URLs as they may be shown, in messages and in files."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def without_passwords(text: str) -> str:
    """Return a text in which no URL has a user, a password or a token.

    >>> without_passwords("http://me:s3cret@host:5000/api does not answer")
    'http://host:5000/api does not answer'
    >>> without_passwords("postgresql://host/db?user=me&password=s3cret")
    'postgresql://host/db?user=me&password=…'
    """
    # Up to the last @ before the path: a password may have one, too.
    text = re.sub(r"(?<=://)[^/\s'\"]*@", "", text)
    return re.sub(r"(?i)(?<=[?&])(\w*(?:password|token|secret|key))=[^&\s'\"]+", r"\1=…", text)


def database_url(path: Path, driver: str = "sqlite") -> str:
    """Return the address of a data base in a file, for SQLAlchemy, to which no other signs of a path mean anything.

    >>> database_url(Path("/ci/main%2Ffix?/my project/mlflow.db"))
    'sqlite:////ci/main%252Ffix%3F/my project/mlflow.db'
    """
    spelled = str(path).replace("%", "%25").replace("?", "%3F")
    return f"{driver}:///{spelled}"


ShownText = Annotated[str, AfterValidator(without_passwords)]
"""The type of a field that is shown, or kept in a file."""
