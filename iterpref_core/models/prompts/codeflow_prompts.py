"""Write CodeFlow's prompts from the task for a draft, and from task, failing program and feedback for a refinement.

The wordings are Jinja templates in `codeflow_prompts/<wording>/*.jinja`, versioned like code, or a user's own. `terse`
is for the embedded models, which read it through a 1k BPE and are trained on exactly these renderings: CodeFlow and
nanolab share this module. `instruct` is for models that follow instructions. Neither shows a reference solution.
"""

from pathlib import Path

from jinja2 import TemplateError

from iterpref_core.records import ConfigError, Prompt, Wording, question, unknown_name, with_question

from .templates import fill

_FOLDER = Path(__file__).with_name("codeflow_prompts")
_TURNS = ("draft", "refine", "no_program")


def check_wording(wording: Wording) -> None:
    """Refuse a wording that cannot be used, before any model is asked.

    Args:
        wording: `terse`, `instruct`, a folder with `draft.jinja`, `refine.jinja` and `no_program.jinja`, or one file
            for all three turns. Its variables are `prompt`, `code` and `feedback`, empty in other turns than a
            refinement, and `turn`: the name of a file of the three.

    Raises:
        ConfigError: there is no such wording, or a template is broken or leaves the task out.
    """
    task = "The task that is to be shown."
    for turn in _TURNS:
        if task not in _worded(wording, turn, task, "code", "feedback"):
            raise ConfigError(f"codeflow.wording: {wording}: the turn {turn!r} does not show {{{{ prompt }}}}; add it")


def draft_prompt(problem_prompt: Prompt, wording: Wording = "terse") -> Prompt:
    """Return the prompt of the first turn: the task. Of messages the last one is worded; those before it stay."""
    return with_question(problem_prompt, _worded(wording, "draft", question(problem_prompt)))


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
    asked = question(problem_prompt)
    again = _worded(wording, "refine", asked, code, feedback) if code.strip() else _worded(wording, "no_program", asked)
    return with_question(problem_prompt, again)


def _worded(wording: Wording, turn: str, prompt: str, code: str = "", feedback: str = "") -> str:
    """Return a request in a wording."""
    own = Path(wording)
    path = _FOLDER / wording / f"{turn}.jinja"
    if not path.is_file():
        path = own / f"{turn}.jinja" if own.is_dir() else own
    if not path.is_file():
        shipped = sorted(folder.name for folder in _FOLDER.iterdir() if folder.is_dir())
        raise ConfigError(f"codeflow.wording: {unknown_name('wording', wording, shipped)}; {path} is no file either")
    try:
        return fill(path, turn=turn, prompt=prompt, code=code, feedback=feedback)
    except (TemplateError, UnicodeDecodeError) as error:
        raise ConfigError(f"codeflow.wording: {path}: {error}; correct the template") from None
