"""Problem folders: APPS's original layout, in which each problem is a folder of files.

    train/0000/question.txt    input_output.json    solutions.json    starter_code.py

Only `question.txt` is in every folder. The names are those that APPS's own code reads
(https://github.com/hendrycks/apps, `eval/testing_util.py` and `eval/generate_gpt_codes.py`).
"""

import json
from pathlib import Path

from iterpref_core.input_files import open_input

QUESTION = "question.txt"
"""The file by which a folder of a problem is known."""
_PARTS = {
    "question": QUESTION,
    "solutions": "solutions.json",
    "input_output": "input_output.json",
    "starter_code": "starter_code.py",
}
"""Column of the same set in one file → file of a folder."""


def read_problem_folder(question: Path) -> str:
    """Return the problem in the folder of a `question.txt` as JSON; a file that is not there is null.

    A byte that is not UTF-8 becomes a lone surrogate, so that this problem alone is left out.

    Raises:
        InputError: a file cannot be read.
    """
    folder = question.absolute().parent
    # "0042" is problem 42 in the copies of the set.
    row: dict[str, str | int | None] = {"problem_id": int(folder.name) if folder.name.isdecimal() else folder.name}
    for column, name in _PARTS.items():
        path = folder / name
        row[column] = _text(path) if name == QUESTION or path.is_file() else None
    return json.dumps(row, ensure_ascii=False)


def _text(path: Path) -> str:
    with open_input(path) as file:
        return file.read().decode("utf-8-sig", "surrogateescape")
