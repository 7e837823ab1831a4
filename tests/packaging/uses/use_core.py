"""What `pip install iterpref` is enough for: localization, and running programs."""

from iterpref_core.execution import Executor, Limits
from iterpref_core.localization.row_spans import mark_errors
from iterpref_core.training.execution_reward import execution_reward

if __name__ == "__main__":
    chosen, rejected = "def f(x):\n    return x\n", "def f(x):\n    return -x\n"
    ((start, end),) = mark_errors({"chosen": chosen, "rejected": rejected})["rejected_spans"]
    assert rejected[start:end] == "    return -x", rejected[start:end]
    with Executor(Limits(cpu_s=2, wall_s=20), workers=1) as executor:
        tests = [["assert f(2) == 2"]] * 2
        assert execution_reward(executor)(["?", "?"], [chosen, rejected], tests=tests) == [1.0, 0.0]
