"""Focal preference training with this project's trainer: a model's name, a configuration, pairs.

python examples/focal_trainer.py MODEL OUT: MODEL is a folder or a hub id. See docs/trl.md.
"""

import sys

from datasets import Dataset

from iterpref_core import FocalDPOConfig, FocalDPOTrainer, mark_errors

model, out = sys.argv[1:]
program = "def total(nums):\n    kept = [n for n in nums if n {} 0]\n    return sum(kept)\n"
pair = {"prompt": "Sum what is positive.", "chosen": program.format(">"), "rejected": program.format("<")}
pairs = Dataset.from_list([pair] * 8).map(mark_errors)  # where each failing program is wrong
args = FocalDPOConfig(out, objective="target-dpo", beta=0.1, learning_rate=1e-5, max_steps=4, logging_steps=1)
trainer = FocalDPOTrainer(model, args, pairs)
trainer.train()
trainer.save_model(out)
