"""Entry point of `iterpref`: the command line, or one message about what is not installed."""

import re
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires

_OURS = ("flows", "tasks", "iterpref_core")
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "psycopg2": "psycopg2-binary", "botocore": "boto3", "starlette": "fastapi"}
"""Of modules that are called otherwise than what is installed for them."""


def main() -> None:
    """Run a verb; where a library is missing, say which extra has it, and exit with 2."""
    try:
        from flows import cli
    except ModuleNotFoundError as error:
        _refuse(error, "the command line", ["pipeline"])
    try:
        cli.main()
    except ModuleNotFoundError as error:
        _refuse(error, "this verb", extras_of(error.name or "", _requirements()))


def _refuse(error: ModuleNotFoundError, who: str, extras: Sequence[str]) -> None:
    """End with one message, unless the missing module is our own or of no extra: that is a bug, with its traceback."""
    if not extras or (error.name or "").partition(".")[0] in _OURS:
        raise error
    advice = " or ".join(f"pip install 'iterpref[{extra}]'" for extra in extras)
    print(f"error: {who} needs the module {error.name}, which is not installed; {advice}", file=sys.stderr)
    sys.exit(2)


def extras_of(module: str, requirements: Sequence[str]) -> list[str]:
    """The extras that bring a module.

    Args:
        module: its dotted name.
        requirements: of this distribution, as `importlib.metadata.requires` has them.

    >>> extras_of("sklearn.metrics", ['rich', 'scikit-learn; extra == "evaluation"', 'torch==2; extra == "training"'])
    ['evaluation']
    """
    root = module.partition(".")[0]
    wanted = _DISTRIBUTIONS.get(root, root).replace("_", "-").lower()
    found = []
    for requirement in requirements:
        name, extra = re.match(r"[\w.-]+", requirement), re.search(r'extra == ["\']([\w-]+)["\']', requirement)
        if name and extra and name.group().replace("_", "-").lower() == wanted:
            found.append(extra.group(1))
    return found


def _requirements() -> list[str]:
    try:
        return requires("iterpref") or []
    except PackageNotFoundError:  # a checkout that was not installed
        return []


if __name__ == "__main__":
    main()
