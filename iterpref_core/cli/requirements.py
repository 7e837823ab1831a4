"""Requirements: the packages that the installed project asks for."""

import re
from collections.abc import Iterator
from importlib.metadata import requires


def required_packages() -> Iterator[tuple[str, str]]:
    """Yield each required package with the extra that asks for it; "" for a package that every installation has.

    `dvc==3.66.1; extra == "pipeline"` gives `("dvc", "pipeline")`.
    """
    for requirement in requires("iterpref") or ():
        package = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == [\"'](\w+)", requirement)
        if package:
            yield package[0], extra[1] if extra else ""
