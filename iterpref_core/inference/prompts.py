"""Prompts: templates as text files, and how they are filled."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FIELD = re.compile(r"\{([a-z_]+)\}")


def fill(template: Path, values: Mapping[str, str]) -> str:
    """Fill every field of a template in one pass: braces inside a value are text, even where they spell a field's name.

    Line ends at the end of a value are dropped, so that the layout does not depend on where a text came from. What
    stands in braces and is no field of `values` stays as it is.

    Args:
        template: the file; a newline at its end is no part of the prompt.
        values: field → text. Each must occur in the template.
    """
    text = read_template(template)
    missing = values.keys() - set(_FIELD.findall(text))
    assert not missing, f"{template} has no field {sorted(missing)}"
    return _FIELD.sub(lambda match: values[match[1]].rstrip("\r\n") if match[1] in values else match[0], text)


@cache
def read_template(path: Path) -> str:
    """The text of a template, without the newline at its end."""
    return path.read_text(encoding="utf-8").removesuffix("\n")
