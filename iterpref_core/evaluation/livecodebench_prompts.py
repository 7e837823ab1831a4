"""LiveCodeBench prompts, and how the program is taken out of an answer.

Wording and form are the benchmark's (`lcb_runner/prompts/code_generation.py`, `GenericBase` and the generic chat
style), so that scores can be compared. A backend is handed one text: its message for the system stands first, as for
those models that take none. The example that base models read before the question is our own.
"""

from iterpref_core.evaluation.livecodebench_data import LiveTask

SYSTEM = (
    "You are an expert Python programmer. You will be given a question (problem specification) and will generate a "
    "correct Python program that matches the specification and passes all tests. You will NOT return anything except "
    "for the program."
)
WITH_STARTER_CODE = (
    "You will use the following starter code to write the solution to the problem and enclose your code within "
    "delimiters."
)
WITHOUT_STARTER_CODE = (
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on the sample "
    "inputs). Enclose your code within delimiters as follows."
)
STOP = "###"
"""Where a base model's answer ends: the benchmark's default stop text."""

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


def make_prompt(task: LiveTask, *, instruct: bool) -> str:
    """What the model is asked; `instruct`: as a chat model."""
    if instruct:
        form = WITH_STARTER_CODE if task.starter_code else WITHOUT_STARTER_CODE
        return (
            f"{SYSTEM}\n\n### Question:\n{task.content}\n\n### Format: {form}\n"
            f"```python\n{task.starter_code or '# YOUR CODE HERE'}\n```\n\n"
            "### Answer: (use the provided format with backticks)\n\n"
        )
    example = _FUNCTION_EXAMPLE if task.starter_code else _STDIN_EXAMPLE
    return _shown(*example) + "\n\n" + _shown(task.content, task.starter_code, "")


def _shown(question: str, starter_code: str, answer: str) -> str:
    starter = f"### Starter Code\n{starter_code}\n\n" if starter_code else ""
    return f"### Question\n{question}\n\n{starter}### Answer\n\n{answer}"


def extract_program(answer: str, *, instruct: bool) -> str:
    r"""The program: of a chat model, what stands between the last two fences; of a base model, its text up to `STOP`.

    A chat model's answer with fewer than two fences has none.

    >>> extract_program("First:\n```\n1\n```\nNo:\n```python\n2\n```\n", instruct=True)
    '2'
    >>> extract_program("print(1)\n\n### Question\nMore", instruct=False)
    'print(1)'
    """
    if not instruct:
        return answer.partition(STOP)[0].strip()
    lines = answer.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    return "\n".join(lines[fences[-2] + 1 : fences[-1]]) if len(fences) >= 2 else ""
