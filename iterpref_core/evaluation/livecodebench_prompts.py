"""LiveCodeBench prompts by family of model, and how the program is taken out of an answer.

Wording and form are those of the benchmark's runner (`lcb_runner/prompts/code_generation.py`), so that scores can be
compared; a style has its name there (`LMStyle`). The examples that base models read before the question are read from
the runner where it is at hand (`find_examples`); else they are our own.
"""

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from iterpref_core.errors import DataUnavailableError, ModelError
from iterpref_core.evaluation.benchmark import PromptForm
from iterpref_core.evaluation.livecodebench_data import LiveTask
from iterpref_core.inference.prompts import render_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Style = Literal["GenericBase", "OpenAIChat", "LLaMa3", "CodeQwenInstruct", "DeepSeekCodeInstruct"]

SYSTEM = (
    "You are an expert Python programmer. You will be given a question (problem specification) and will generate a "
    "correct Python program that matches the specification and passes all tests."
)
DEEPSEEK_SYSTEM = (
    "You are an AI programming assistant, utilizing the DeepSeek Coder model, developed by DeepSeek Company, and you "
    "answer questions related to computer science."
)
TOLD_TO_THE_USER = (
    "You will be given a question (problem specification) and will generate a correct Python program that matches the "
    "specification and passes all tests. You will NOT return anything except for the program."
)
WITH_STARTER_CODE = (
    "You will use the following starter code to write the solution to the problem and enclose your code within "
    "delimiters."
)
WITHOUT_STARTER_CODE = (
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on the sample "
    "inputs). Enclose your code within delimiters as follows. Ensure that when the python program runs, it reads the "
    "inputs, runs the algorithm and writes output to STDOUT."
)
RUNNER_VARIABLE = "LIVECODEBENCH_RUNNER"
STOP = "###"
"""Where a local model's answer ends: the runner's default stop text."""

_STDIN_EXAMPLE = (
    (
        "You are given N integers. Print the largest sum of two neighbours.\n\n"
        "Input\n\nThe first line holds N (2 <= N <= 100000), the second the integers, separated by blanks.\n\n"
        "Output\n\nPrint one integer."
    ),
    "",
    "n = int(input())\nvalues = list(map(int, input().split()))\nprint(max(a + b for a, b in zip(values, values[1:])))",
)
_STARTER = "class Solution:\n    def largestNeighbours(self, values: List[int]) -> int:\n        "
_FUNCTION_EXAMPLE = (
    "You are given an array of at least two integers. Return the largest sum of two neighbours.",
    _STARTER,
    f"{_STARTER}return max(a + b for a, b in zip(values, values[1:]))",
)


def find_examples() -> Path | None:
    """The runner's few-shot examples: in the clone that `LIVECODEBENCH_RUNNER` names, or in an installed `lcb_runner`.

    Raises:
        DataUnavailableError: the variable names no clone of the runner.
    """
    clone = os.environ.get(RUNNER_VARIABLE)
    installed = None if clone else find_spec("lcb_runner")
    packages = [Path(clone, "lcb_runner")] if clone else []
    packages += map(Path, (installed and installed.submodule_search_locations) or ())
    folders = [package / "prompts/few_shot_examples/generation" for package in packages]
    found = [folder for folder in folders if (folder / "func.json").is_file() and (folder / "stdin.json").is_file()]
    if clone and not found:
        raise DataUnavailableError(
            f"{RUNNER_VARIABLE}={clone}: has no lcb_runner/prompts/few_shot_examples/generation with func.json and "
            "stdin.json; name a clone of github.com/LiveCodeBench/LiveCodeBench, or unset the variable"
        )
    return found[0] if found else None


def style_of(form: PromptForm) -> Style:
    """The family of a model: of one with weights here by its chat template, since the runner's own list is of names."""
    if not form.instruct:
        return "GenericBase"
    if form.tokenizer is None:
        return "OpenAIChat"
    template = str(form.tokenizer.chat_template)
    if "<|im_start|>" in template:
        return "CodeQwenInstruct"
    return "DeepSeekCodeInstruct" if "### Instruction:" in template and "### Response:" in template else "LLaMa3"


def make_prompt(
    task: LiveTask, style: Style, tokenizer: "PreTrainedTokenizerBase | None" = None, examples: Path | None = None
) -> str:
    """What the model is asked; of a model with weights here all that it reads."""
    form = WITH_STARTER_CODE if task.starter_code else WITHOUT_STARTER_CODE
    code = f"```python\n{task.starter_code or '# YOUR CODE HERE'}\n```\n\n"
    if style == "GenericBase":
        return _shown(*_example(task, examples)) + "\n\n" + _shown(task.content, task.starter_code, "")
    if style == "CodeQwenInstruct":
        return (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n\n"
            f"{TOLD_TO_THE_USER}\n\nQuestion: {task.content}\n\n{form}\n{code}<|im_end|>\n<|im_start|>assistant\n"
        )
    if style == "DeepSeekCodeInstruct":
        return (
            f"{DEEPSEEK_SYSTEM}\n\n### Instruction: {TOLD_TO_THE_USER}\n\nQuestion:\n{task.content}\n\n"
            f"### Instruction: {form}\n{code}### Response:\n\n"
        )
    question = (
        f"### Question:\n{task.content}\n\n### Format: {form}\n{code}"
        "### Answer: (use the provided format with backticks)\n\n"
    )
    return question if tokenizer is None else _chat(tokenizer, question)


def _example(task: LiveTask, examples: Path | None) -> tuple[str, str, str]:
    """Question, starter code and answer of the example before a question of this kind."""
    if examples is None:
        return _FUNCTION_EXAMPLE if task.starter_code else _STDIN_EXAMPLE
    path = examples / ("func.json" if task.starter_code else "stdin.json")
    try:
        first = json.loads(path.read_text(encoding="utf-8"))[0]
        return first["question"], first["sample_code"] if task.starter_code else "", first["answer"]
    except (ValueError, LookupError, TypeError) as error:
        raise DataUnavailableError(f"{path}: no examples of LiveCodeBench ({error!r}); fetch it again") from None


def _chat(tokenizer: "PreTrainedTokenizerBase", question: str) -> str:
    try:
        return render_prompt(tokenizer, question, SYSTEM)
    except ModelError:  # a template that knows no message for the system
        return render_prompt(tokenizer, f"{SYSTEM}\n\n{question}")


def _shown(question: str, starter_code: str, answer: str) -> str:
    starter = f"### Starter Code\n{starter_code}\n\n" if starter_code else ""
    return f"### Question\n{question}\n\n{starter}### Answer\n\n{answer}"


def extract_program(answer: str, style: Style) -> str:
    r"""The program: of a chat model, what stands between the last two fences; of a base model, all of its text.

    Either up to `STOP`, but for an endpoint's chat. A chat model's answer with fewer than two fences has no program.

    >>> extract_program("First:\n```\n1\n```\nNo:\n```python\n2\n```\n", "LLaMa3")
    '2'
    >>> extract_program("print(1)\n\n### Question\nMore", "GenericBase")
    'print(1)'
    """
    if style != "OpenAIChat":
        answer = answer.partition(STOP)[0]
    if style == "GenericBase":
        return answer.strip()
    lines = answer.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    return "\n".join(lines[fences[-2] + 1 : fences[-1]]) if len(fences) >= 2 else ""
