"""Read prompts from Jinja templates and fill their fields."""

from functools import cache
from pathlib import Path

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment


def fill(path: Path, **values: str) -> str:
    """Return the text of a template with its fields filled.

    Line ends at the end of a value are dropped, so that the layout does not depend on where a text came from.

    Args:
        path: the file; a newline at its end is not part of the prompt.
        **values: the texts of the fields.

    Raises:
        TemplateError: the template is broken, or has a field without a value.
    """
    return _read(path).render({name: value.rstrip("\r\n") for name, value in values.items()})


@cache
def _read(path: Path) -> Template:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    return environment.from_string(path.read_text(encoding="utf-8"))
