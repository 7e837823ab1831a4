"""CodeFlow's prompts: the task for a draft; task, failing program and feedback for a refinement.

The wordings stand in `codeflow_prompts/<wording>/*.txt`, versioned like code. `terse` is for the embedded models, which
read it through a 1k BPE and are trained on exactly these renderings: CodeFlow and nanolab share this module. `instruct`
is for models that follow instructions. Neither shows a reference solution.
"""

from pathlib import Path

from iterpref_core.config import Wording
from iterpref_core.inference.prompts import fill

_FOLDER = Path(__file__).with_name("codeflow_prompts")


def draft_prompt(problem_prompt: str, wording: Wording = "terse") -> str:
    """The first turn: the task."""
    return fill(_FOLDER / wording / "draft.txt", {"prompt": problem_prompt})


def refine_prompt(problem_prompt: str, code: str, feedback: str, wording: Wording = "terse") -> str:
    r"""Every later turn: the task, the program that failed, and what its execution said.

    Line ends at the end of any of the three are dropped, so that the layout does not depend on where a text came from.
    Where the last answer held no program, none is shown.

    >>> print(refine_prompt("Add one.", "f = lambda x: x\n", "f(1) gave 1, expected 2"))
    Add one.
    <BLANKLINE>
    This program is wrong:
    ```python
    f = lambda x: x
    ```
    f(1) gave 1, expected 2
    Write the corrected program.
    """
    if not code.strip():
        return fill(_FOLDER / wording / "no_program.txt", {"prompt": problem_prompt})
    values = {"prompt": problem_prompt, "code": code, "feedback": feedback}
    return fill(_FOLDER / wording / "refine.txt", values)
