"""GRPO with tests as the reward: TRL's own trainer, this project's isolated execution.

python examples/grpo_reward.py MODEL OUT: MODEL is a folder or a hub id. See docs/trl.md.
"""

import sys

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.programs.source_code.tested_names import tested_names
from iterpref_core.records import AssertTest

PROBLEMS = [  # yours: a prompt, and the tests that a program must pass
    {"prompt": f"Write f(x) that adds {k}.\n", "tests": [f"assert f(1) == {1 + k}", f"assert f(5) == {5 + k}"]}
    for k in range(4)
]


def reward(completions, tests, **_):
    """1 for a program that passes its row's tests, else 0; None, which TRL leaves out, where the engine failed."""
    programs = []
    for completion, row in zip(completions, tests, strict=True):
        asserts = tuple(AssertTest(code=test) for test in row)
        # The program is the block that defines what the tests call, whatever else the answer shows.
        programs.append(Program(extract_program(completion, read=tested_names(asserts)) or "", asserts))
    verdicts = [outcome.verdict for _, outcome in executor.run_each(programs, lambda program: program)]
    return [None if verdict == "infra_error" else float(verdict == "passed") for verdict in verdicts]


if __name__ == "__main__":
    model_id, out = sys.argv[1:]
    args = GRPOConfig(out, num_generations=4, per_device_train_batch_size=4, max_completion_length=32, max_steps=2,
                      logging_steps=1, bf16=False, report_to="none")  # fmt: skip
    with Executor(Limits(cpu_s=2, wall_s=10), workers=2) as executor:
        GRPOTrainer(model_id, reward, args, Dataset.from_list(PROBLEMS)).train()
