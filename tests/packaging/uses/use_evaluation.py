"""EvalPlus's way to find a program in an answer and to read MBPP's inputs."""

from evalplus.sanitize import sanitize

from iterpref_core.evaluation.evalplus_data import EvalPlusTask

# In this process: a sandbox cannot follow the links that this environment is made of.
assert sanitize("Sure:\n```python\ndef f():\n    return 1\nprint(f())\n```\n", "f") == "def f():\n    return 1"
task = EvalPlusTask(
    task_id="Mbpp/2", prompt="", entry_point="f", canonical_solution="", base_input=[[[1, 2], [2, 3]]], plus_input=[],
    atol=0,
)  # fmt: skip
assert task.inputs("base") == [[(1, 2), (2, 3)]], task.inputs("base")
