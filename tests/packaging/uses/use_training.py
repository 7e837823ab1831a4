"""One step of `FocalDPOTrainer` on an untrained model."""

import sys

from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM
from trl import DPOConfig

from iterpref_core.localization.row_spans import mark_errors
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from iterpref_core.objectives.objectives import OBJECTIVES
from iterpref_core.training.focal_dataset import focal_dataset
from iterpref_core.training.trainer import FocalDPOTrainer

pair = {"prompt": "Negate.", "chosen": "def f(x):\n    return -x\n", "rejected": "def f(x):\n    return x\n"}
tokenizer = train_tokenizer(list(pair.values()), 300)
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1,
    )
)  # fmt: skip
args = DPOConfig(sys.argv[1], max_steps=1, use_cpu=True, bf16=False, report_to="none", save_strategy="no")
rows = focal_dataset(Dataset.from_list([pair]).map(mark_errors), model, tokenizer, "target-dpo", args)
trainer = FocalDPOTrainer(
    model=model, args=args, train_dataset=rows, processing_class=tokenizer, objective=OBJECTIVES["target-dpo"]
)
trainer.train()
assert trainer.state.global_step == 1
