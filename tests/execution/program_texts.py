"""Files of programs: `## chapter`, `=== name of a case`, `--- title of a part`, and the part's text."""

import re


def read_cases(path):
    """Return the cases of a file, by name."""
    text = path.read_text()
    return dict(map(_case, re.split(r"\n=== ", text)[1:]))


def _case(text):
    """Return the name and the parts of a case."""
    name, *sections = re.split(r"\n--- ", re.split(r"\n## ", text)[0].strip("\n"))
    titled = [section.partition("\n") for section in sections]
    return name, [(title, part.strip("\n")) for title, _, part in titled]
