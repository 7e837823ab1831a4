"""LiveCodeBench prompts by family of model, and the program in an answer.

Wording and form come from the benchmark's runner (`lcb_runner/prompts/code_generation.py`), so that scores can be
compared; a family has its name there (`LMStyle`).
"""

from typing import Literal

from iterpref_core.records import DataUnavailableError

from ..benchmark import BenchmarkPrompt, PromptMode
from .data import LiveTask

ModelFamily = Literal["OpenAIChat", "LLaMa3", "CodeQwenInstruct", "DeepSeekCodeInstruct"]

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
MESSAGE = (
    "### Question:\n{question}\n\n### Format: {form}\n{code}### Answer: (use the provided format with backticks)\n\n"
)
"""The message to a model with its own chat template, or at an endpoint."""
PROMPTS: dict[ModelFamily, str] = {
    "CodeQwenInstruct": (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n\n"
        f"{TOLD_TO_THE_USER}\n\nQuestion: {{question}}\n\n{{form}}\n{{code}}<|im_end|>\n<|im_start|>assistant\n"
    ),
    "DeepSeekCodeInstruct": (
        f"{DEEPSEEK_SYSTEM}\n\n### Instruction: {TOLD_TO_THE_USER}\n\nQuestion:\n{{question}}\n\n"
        "### Instruction: {form}\n{code}### Response:\n\n"
    ),
}
"""All that a model of a family reads."""
STOP = "###"
"""The end string of a local model's answer: the runner's default stop text. A server has none, nor has a model that
reasons, which writes headings of this kind as it thinks."""


def family_of(mode: PromptMode) -> ModelFamily:
    """Return the family of a model. The runner has a list of names; here the chat template determines the family.

    Raises:
        DataUnavailableError: it is a base model.
    """
    if not mode.instruct:
        raise DataUnavailableError(
            "livecodebench: its prompts are for chat models, and this one has no chat template; choose others"
        )
    if mode.template is None or mode.reasoning:
        return "OpenAIChat"
    # Qwen2.5's template ends like the runner's prompt. Qwen3's goes on with an empty think block.
    if mode.template.render_prompt("x").endswith("<|im_start|>assistant\n"):
        return "CodeQwenInstruct"
    template = str(mode.template.tokenizer.chat_template)
    if "### Instruction:" in template and "### Response:" in template:
        return "DeepSeekCodeInstruct"
    return "LLaMa3"


def make_prompt(task: LiveTask, mode: PromptMode) -> BenchmarkPrompt:
    """Return the prompt for a model: the message, or for a model with weights here all that it reads.

    Raises:
        DataUnavailableError: the model is a base model.
    """
    family = family_of(mode)
    text = PROMPTS.get(family, MESSAGE).format(
        question=task.content,
        form=WITH_STARTER_CODE if task.starter_code else WITHOUT_STARTER_CODE,
        code=f"```python\n{task.starter_code or '# YOUR CODE HERE'}\n```\n\n",
    )
    if family in PROMPTS:
        return BenchmarkPrompt(text, raw=True)
    return mode.ask_to_reason(text, SYSTEM) if mode.reasoning else BenchmarkPrompt(text, SYSTEM)


def program_by_family(answer: str, family: ModelFamily) -> str:
    r"""Return the program: the text between the last two fences; an answer with fewer has none.

    An answer ends at `STOP`, unless its family is `OpenAIChat`.

    >>> program_by_family("First:\n```\n1\n```\nNo:\n```python\n2\n```\n", "LLaMa3")
    '2'
    """
    if family != "OpenAIChat":
        answer = answer.partition(STOP)[0]
    lines = answer.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    if len(fences) < 2:
        return ""
    return "\n".join(lines[fences[-2] + 1 : fences[-1]])
