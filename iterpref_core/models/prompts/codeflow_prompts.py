"""Write CodeFlow's prompts from the task for a draft, and from task, failing program and feedback for a refinement.

The wordings are in `codeflow_prompts/<wording>/*.txt`, versioned like code. `terse` is for the embedded models, which
read it through a 1k BPE and are trained on exactly these renderings: CodeFlow and nanolab share this module. `instruct`
is for models that follow instructions. Neither shows a reference solution.
"""

from pathlib import Path

from iterpref_core.records import Prompt, Wording, question, with_question

from .templates import fill

_FOLDER = Path(__file__).with_name("codeflow_prompts")


def draft_prompt(problem_prompt: Prompt, wording: Wording = "terse") -> Prompt:
    """Return the prompt of the first turn: the task. Of messages the last one is worded; those before it stay."""
    draft = fill(_FOLDER / wording / "draft.txt", {"prompt": question(problem_prompt)})
    return with_question(problem_prompt, draft)


def refine_prompt(
    problem_prompt: Prompt,
    code: str,
    feedback: str,
    wording: Wording = "terse",
) -> Prompt:
    r"""Return the prompt of a later turn: the task, the program that failed, and the feedback of its execution.

    Line ends at the end of any of the three are dropped, so that the layout does not depend on where a text came from.
    If the last answer held no program, none is shown.

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
        again = fill(_FOLDER / wording / "no_program.txt", {"prompt": question(problem_prompt)})
    else:
        values = {"prompt": question(problem_prompt), "code": code, "feedback": feedback}
        again = fill(_FOLDER / wording / "refine.txt", values)
    return with_question(problem_prompt, again)
