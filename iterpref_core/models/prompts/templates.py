"""Read prompts from text files and fill their fields."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FIELD = re.compile(r"\{([a-z_]+)\}")


def fill(template: Path, values: Mapping[str, str]) -> str:
    """Fill every field of a template in one pass: braces inside a value are text, even where they spell a field's name.

    Line ends at the end of a value are dropped, so that the layout does not depend on where a text came from. Other
    words in braces stay as they are.

    Args:
        template: the file; a newline at its end is not part of the prompt.
        values: field → text. Each must occur in the template.
    """
    text = read_template(template)
    missing = values.keys() - set(_FIELD.findall(text))
    assert not missing, f"{template} has no field {sorted(missing)}"

    def value_of(field: re.Match[str]) -> str:
        name = field[1]
        if name not in values:
            return field[0]
        return values[name].rstrip("\r\n")

    return _FIELD.sub(value_of, text)


@cache
def read_template(path: Path) -> str:
    """Return the text of a template, without the newline at its end."""
    return path.read_text(encoding="utf-8").removesuffix("\n")
