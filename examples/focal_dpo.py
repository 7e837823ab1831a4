"""Focal preference training on pairs of your own, with transformers' trainer and without the pipeline.

python examples/focal_dpo.py MODEL OUT: MODEL is a folder or a hub id. See docs/trl.md.
"""

import sys

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainingArguments

from iterpref_core.localization.row_spans import mark_errors
from iterpref_core.objectives.objectives import OBJECTIVES
from iterpref_core.training.focal_dataset import focal_dataset
from iterpref_core.training.trainer import FocalDPOTrainer

TEMPLATE = "def total(nums):\n    kept = [n for n in nums if n {} {}]\n    return sum(kept)\n"
PAIRS = [  # yours: prompt, a program that passes, and one that fails
    {"prompt": f"Sum what is above {k}.", "chosen": TEMPLATE.format(">", k), "rejected": TEMPLATE.format("<", k)}
    for k in range(8)
]

model_id, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model_id)
model = AutoModelForCausalLM.from_pretrained(model_id)
args = TrainingArguments(out, learning_rate=1e-5, max_steps=4, logging_steps=1, report_to="none")
pairs = Dataset.from_list(PAIRS).map(mark_errors)  # where each failing program is wrong, in characters
rows = focal_dataset(pairs, model, tokenizer, "target-dpo", args)  # the same in tokens, and the reference
trainer = FocalDPOTrainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer,
                          objective=OBJECTIVES["target-dpo"], beta=0.1)  # fmt: skip
trainer.train()
trainer.save_model(out)
