"""The label head where FSDP2 shards the weights: two processes on this machine, against plain logits in each."""

import os
import subprocess
import sys
from pathlib import Path

_PROCESS = """
import copy, sys
import torch
import torch.distributed as dist
from peft import LoraConfig, get_peft_model
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM, Qwen2Config
from iterpref_core.training import label_head

label_head._CHUNK = 32
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)

def check(tied, head_apart, lora):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(Qwen2Config(
        vocab_size=70, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, tie_word_embeddings=tied), dtype=torch.float64)
    if lora:
        model = get_peft_model(model, LoraConfig(target_modules=lora, init_lora_weights=False)).double()
    plain = copy.deepcopy(model)
    base = model.get_base_model() if lora else model
    label_head.add_label_head(base)
    for layer in base.model.layers:
        fully_shard(layer)
    if head_apart:
        fully_shard(base.lm_head)
    fully_shard(model)
    expected = 0
    for process, labels in enumerate((6, 0)):  # the second has no label, and takes part all the same
        ids = torch.randint(3, 70, (3, 9))
        slots, targets = torch.randint(0, 27, (labels,)), torch.randint(0, 70, (labels,))
        logps = plain(input_ids=ids).logits.flatten(0, 1)[slots].log_softmax(-1).gather(1, targets[:, None])[:, 0]
        expected = expected + logps.sum() / 2  # FSDP takes the mean over processes
        if process == rank:
            found = model(input_ids=ids, label_slots=slots, label_targets=targets, use_cache=False)
            torch.testing.assert_close(found, logps)
            found.sum().backward()
    expected.backward()
    for (name, weight), (_, own) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        assert (weight.grad is None) == (own.grad is None), name
        if own.grad is not None:
            torch.testing.assert_close(weight.grad.full_tensor(), own.grad, msg=name)

check(tied=True, head_apart=False, lora=None)
check(tied=False, head_apart=True, lora=None)
check(tied=False, head_apart=False, lora=["q_proj"])
check(tied=False, head_apart=True, lora=["q_proj", "lm_head"])
dist.destroy_process_group()
"""


def test_values_and_gradients_are_those_of_plain_logits(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(rank), str(tmp_path / "meeting")],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=200)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
            process.wait()
