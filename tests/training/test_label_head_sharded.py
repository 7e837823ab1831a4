"""The label head where FSDP2 shards the weights: two processes on this machine, against plain logits in each."""

import copy
import subprocess
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from peft import LoraConfig, get_peft_model
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM, Qwen2Config

from iterpref_core.training import label_head


def check(rank: int, *, tied: bool, head_apart: bool, lora: list[str] | None) -> None:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=70, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, tie_word_embeddings=tied,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
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


def check_all(rank: int, meeting: Path) -> None:
    label_head._CHUNK = 32
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    check(rank, tied=True, head_apart=False, lora=None)
    check(rank, tied=False, head_apart=True, lora=None)
    check(rank, tied=False, head_apart=False, lora=["q_proj"])
    dist.destroy_process_group()


def test_values_and_gradients_are_those_of_plain_logits(tmp_path: Path) -> None:
    # Fresh processes: forked ones inherit what earlier tests left in torch.
    command = [sys.executable, __file__, str(tmp_path / "meeting")]
    processes = [subprocess.Popen([*command, str(rank)], stderr=subprocess.PIPE, text=True) for rank in range(2)]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)


if __name__ == "__main__":
    check_all(int(sys.argv[2]), Path(sys.argv[1]))
