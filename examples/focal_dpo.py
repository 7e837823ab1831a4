"""Focal preference training on pairs of your own, with TRL's trainer and without the pipeline.

python examples/focal_dpo.py MODEL OUT: MODEL is a folder or a hub id. See docs/trl.md.
"""

import sys

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

from iterpref_core import FocalCollator, mark_errors

TEMPLATE = "def total(nums):\n    kept = [n for n in nums if n {} {}]\n    return sum(kept)\n"
PAIRS = [  # yours: prompt, a program that passes, and one that fails
    {"prompt": f"Sum what is above {k}.", "chosen": TEMPLATE.format(">", k), "rejected": TEMPLATE.format("<", k)}
    for k in range(8)
]

model_id, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model_id)
model = AutoModelForCausalLM.from_pretrained(model_id)
pairs = Dataset.from_list(PAIRS).map(mark_errors)  # where each failing program is wrong, in characters
args = DPOConfig(
    out,
    beta=0.1,
    learning_rate=1e-5,
    max_steps=4,
    logging_steps=1,
    report_to="none",
    bf16=torch.cuda.is_available(),  # TRL's default, for GPUs
    remove_unused_columns=False,  # the spans stay
)
trainer = DPOTrainer(
    model=model,
    args=args,
    train_dataset=pairs,
    processing_class=tokenizer,
    data_collator=FocalCollator(tokenizer, args),  # of each failing program the error region alone counts
)
trainer.train()
trainer.save_model(out)
