"""Ask a local chat model, and end its answer, as EvalPlus and BigCodeBench do.

Both render a chat with the beginning of an answer, up to the first line of a fenced program, and let the model
continue. Wording and form come from `evalplus` 0.3.1 and `bigcodebench` 0.2.5 (`codegen` and `generate`,
`provider.utility`).
"""

from iterpref_core.models.inference.backend import before_stop

from .benchmark import BenchmarkPrompt, PromptMode

INSTRUCTION = (
    "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
)
RESPONSE = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
)
STOPS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")
"""The end strings of an answer; each benchmark adds its own."""

# Their own mark: a template may look at an answer's text before writing it.
_SPLITTER = "-[[]]-this-is-really-our-highest-priority-[[]]-"


def fenced(task: str) -> str:
    r"""Return a chat model's task as text in a plain fence.

    >>> fenced("def f():\n")[len(INSTRUCTION):]
    '\n```\ndef f():\n```\n'
    """
    return f"{INSTRUCTION}\n```\n{task.strip()}\n```\n"


def ask_here(mode: PromptMode, message: str) -> BenchmarkPrompt:
    """Return the prompt of a chat model with weights here: the message, and its answer up to the program's first line.

    A model whose template opens reasoning begins its answer itself.
    """
    if mode.reasoning:
        return mode.ask_to_reason(message)
    assert mode.template is not None
    chat = [
        {"role": "user", "content": message},
        {"role": "assistant", "content": f"{RESPONSE}\n```python\n{_SPLITTER}\n```\n"},
    ]
    # "…<|im_start|>assistant\nBelow is a Python script …\n```python\n" and no end: the model continues there.
    return BenchmarkPrompt(mode.template.render_chat(chat).split(_SPLITTER)[0], raw=True)


def continuation(answer: str, stops: tuple[str, ...]) -> str:
    """Return a local model's answer before its first end string, with blanks for tabs, as both benchmarks do."""
    return before_stop(answer, stops).replace("\t", "    ")
