"""EvalPlus's way to find a program in an answer, and to read MBPP's inputs."""

from evalplus.sanitize import sanitize

from iterpref_core.evaluation.downloads import official_cache
from iterpref_core.evaluation.evalplus_benchmarks import EvalPlus
from iterpref_core.evaluation.evalplus_data import EvalPlusTask
from iterpref_core.evaluation.evalplus_oracle import inputs_of

# In this process: a sandbox cannot follow the links that this environment is made of.
assert sanitize("Sure:\n```python\ndef f():\n    return 1\nprint(f())\n```\n", "f") == "def f():\n    return 1"
task = EvalPlusTask(
    task_id="Mbpp/2", prompt="", entry_point="f", canonical_solution="", base_input=[[[1, 2], [2, 3]]], plus_input=[],
    atol=0,
)  # fmt: skip
assert inputs_of(task, "base") == [[(1, 2), (2, 3)]], inputs_of(task, "base")
assert official_cache("evalplus").name == "evalplus"
assert EvalPlus
