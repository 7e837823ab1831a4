"""Train with TRL's DPOTrainer on pairs of your own, and count the error region alone of each failing program.

python examples/focal_dpo.py MODEL OUT [LOSS]: MODEL is a folder or a hub id, LOSS a loss of TRL's. See docs/trl.md.
"""

import sys

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

from iterpref_core import FocalCollator, mark_errors

model_id, out, *losses = sys.argv[1:]
program = "def total(nums):\n    kept = [n for n in nums if n {} 0]\n    return sum(kept)\n"
chosen, rejected = ([{"role": "assistant", "content": program.format(sign)}] for sign in "><")
pair = {"prompt": [{"role": "user", "content": "Sum what is positive."}], "chosen": chosen, "rejected": rejected}
pairs = Dataset.from_list([pair] * 8).map(mark_errors)  # where each failing program is wrong
tokenizer = AutoTokenizer.from_pretrained(model_id)
model = AutoModelForCausalLM.from_pretrained(model_id, dtype=torch.float32)  # bfloat16 rounds small steps away
steps = {"learning_rate": 1e-5, "max_steps": 4, "logging_steps": 1, "bf16": torch.cuda.is_available()}
args = DPOConfig(out, loss_type=losses or ["sigmoid"], beta=0.1, remove_unused_columns=False, **steps)
collator = FocalCollator(tokenizer, args, model)
trainer = DPOTrainer(model, args=args, train_dataset=pairs, processing_class=tokenizer, data_collator=collator)
trainer.train()
trainer.save_model(out)
