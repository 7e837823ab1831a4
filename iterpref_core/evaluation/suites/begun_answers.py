"""Begun answers: how EvalPlus and BigCodeBench ask a local chat model, and where either ends an answer.

Both render a chat in which the model has begun to answer, up to the first line of a fenced program, and let it go on.
Wording and form are those of `evalplus` 0.3.1 and `bigcodebench` 0.2.5 (`codegen` and `generate`, `provider.utility`).
"""

from iterpref_core.inference.answer_frame import AnswerFrame
from iterpref_core.inference.backend import cut

INSTRUCTION = (
    "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
)
RESPONSE = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
)
STOPS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")
"""The end strings of an answer; each benchmark adds its own."""

# Theirs too: what a template does with the answer may depend on what is in it.
_SPLITTER = "-[[]]-this-is-really-our-highest-priority-[[]]-"


def fenced(task: str) -> str:
    r"""A chat model's task as text in a plain fence.

    >>> fenced("def f():\n")[len(INSTRUCTION):]
    '\n```\ndef f():\n```\n'
    """
    return f"{INSTRUCTION}\n```\n{task.strip()}\n```\n"


def begin_answer(frame: AnswerFrame, message: str) -> str:
    """Return what a chat model reads: the message, and its own answer up to where the program begins."""
    chat = [
        {"role": "user", "content": message},
        {"role": "assistant", "content": f"{RESPONSE}\n```python\n{_SPLITTER}\n```\n"},
    ]
    return frame.render_chat(chat).split(_SPLITTER)[0]


def continuation(answer: str, stops: tuple[str, ...]) -> str:
    """What both take of a local model's answer: its text before an end string, with blanks for tabs."""
    return cut(answer, stops).replace("\t", "    ")
