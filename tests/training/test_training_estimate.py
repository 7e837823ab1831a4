"""The estimate against published sizes, real modules, counted FLOPs and counted memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Starcoder2Config,
)

from iterpref_core.config import Layout, TrainingParams
from iterpref_core.objectives.objectives import OBJECTIVES, ObjectiveName
from iterpref_core.training.attention import attention_mask
from iterpref_core.training.columns import objective_columns
from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.label_head import add_label_head
from iterpref_core.training.layouts import PAD_TO_MULTIPLE_OF, make_collator
from iterpref_core.training.model_shape import read_shape
from iterpref_core.training.reference import ReferenceLogps
from iterpref_core.training.training_estimate import (
    PRECISIONS,
    PrecisionName,
    Setting,
    activation_bytes,
    default_precision,
    estimate_flops,
    estimate_memory,
    estimate_training,
    layer_bytes,
)
from iterpref_core.training.workload import (
    MicroBatch,
    Workload,
    lengths_of_tokens,
    measure_workload,
)
from tests.settings import section

NO_TOKENS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}
NO_DROPOUT = {"residual_dropout": 0.0, "embedding_dropout": 0.0, "attention_dropout": 0.0}
SMALL = {
    "vocab_size": 128, "hidden_size": 192, "intermediate_size": 512, "num_attention_heads": 6, "num_key_value_heads": 2,
    "max_position_embeddings": 1024, **NO_TOKENS,
}  # fmt: skip
FAMILIES: dict[str, Callable[..., PreTrainedConfig]] = {
    "llama": LlamaConfig,
    "qwen2": Qwen2Config,
    "starcoder2": lambda **values: Starcoder2Config(**NO_DROPOUT, **values),
}


@pytest.mark.parametrize(
    ("config", "published"),  # as the hub counts the entries of each model's safetensors files
    [
        (
            LlamaConfig(
                vocab_size=128_256, hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32,
                num_attention_heads=32, num_key_value_heads=8, tie_word_embeddings=False,
            ),
            8_030_261_248,
        ),
        (
            Starcoder2Config(
                vocab_size=49_152, hidden_size=6144, intermediate_size=24_576, num_hidden_layers=40,
                num_attention_heads=48, num_key_value_heads=4, tie_word_embeddings=False, **NO_TOKENS,
            ),
            15_957_889_024,
        ),
    ],
    ids=["Llama-3-8B", "StarCoder2-15B"],
)  # fmt: skip
def test_parameters_are_those_that_are_published(config: PreTrainedConfig, published: int) -> None:
    assert read_shape(config).parameters == published


def test_a_small_model_is_counted_by_hand() -> None:
    shape = read_shape(LlamaConfig(**SMALL, num_hidden_layers=3, tie_word_embeddings=True))
    linear = 192 * 192 + 192 * 64 + 192 * 64 + 192 * 192 + 3 * 192 * 512
    assert shape.matrices == 3 * linear
    assert shape.layer == linear + 2 * 192
    assert shape.parameters == 3 * shape.layer + 192 + 128 * 192
    assert shape.adapter == 3 * (2 * (192 + 192) + 2 * (192 + 64) + 3 * (192 + 512))
    assert (shape.queries, shape.keys, shape.gated, shape.rms_norm) == (192, 64, True, True)
    assert default_precision(shape, PARAMS) == "fp32"
    assert default_precision(shape, PARAMS.model_copy(update={"bf16": True})) == "autocast"
    saved = LlamaConfig(**SMALL, num_hidden_layers=1, dtype="bfloat16")
    assert default_precision(read_shape(saved), PARAMS) == "fp32"
    for values in ({"weights": "saved"}, {"lora_rank": 8}):
        assert default_precision(read_shape(saved), PARAMS.model_copy(update=values)) == "bf16"


PARAMS = section(
    TrainingParams,
    seed=3, beta=0.1, epochs=2, batch_size=4, micro_batch_size=2, warmup_ratio=0.1, max_grad_norm=1.0,
    max_prompt_length=64, max_length=256, layout="padded", nll="mean", answer="bare", bf16=False,
    gradient_checkpointing=False, weights="float32", lora_rank=0, lora_alpha=16, validation_share=0.0, select="last",
    max_margin=0.0, accelerate=None, objectives={},
)  # fmt: skip


@contextmanager
def _counting_saved(model: PreTrainedModel, total: list[int]) -> Iterator[None]:
    """Bytes of all that autograd keeps for the backward pass, each storage once, without parameters."""
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no other storage takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield
    total.append(sum(tensor.untyped_storage().nbytes() for tensor in kept.values()))


def _kept_by_a_layer(family: str, precision: PrecisionName, rows: int, width: int, *, masked: bool) -> float:
    """Bytes a slot that one decoder layer adds to what autograd keeps: three layers less one, halved."""
    totals: list[int] = []
    for layers in (1, 3):
        config = FAMILIES[family](**SMALL, num_hidden_layers=layers)
        model = AutoModelForCausalLM.from_config(config)
        model.to(torch.bfloat16 if precision == "bf16" else torch.float32).train()
        mask = torch.ones(width, width, dtype=torch.bool).tril().expand(rows, 1, width, width) if masked else None
        with (
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "autocast"),
            _counting_saved(model, totals),
        ):
            model.model(
                input_ids=torch.zeros(rows, width, dtype=torch.long),
                position_ids=torch.arange(width).expand(rows, width),
                attention_mask=mask,
                use_cache=False,
            )
    return (totals[1] - totals[0]) / 2 / rows / width


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("precision", ["bf16", "autocast", "fp32"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_autograd_keeps_of_a_layer_is_what_the_formula_says(
    family: str, precision: PrecisionName, masked: bool
) -> None:
    rows, width = 2, 256
    shape = read_shape(FAMILIES[family](**SMALL, num_hidden_layers=1))
    found = _kept_by_a_layer(family, precision, rows, width, masked=masked)
    if precision == "autocast":  # the formula counts the bf16 copies of matrices with the weights
        found -= 2 * shape.matrices / rows / width
    assert layer_bytes(shape, PRECISIONS[precision], width, masked=masked) == pytest.approx(found, rel=0.005)


@pytest.fixture
def qwen(tokenizer: PreTrainedTokenizerBase) -> Qwen2Config:
    return Qwen2Config(
        **{**SMALL, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None},
        num_hidden_layers=4,
    )


def _batch(rows: list[TokenizedPair], layout: Layout, objective: ObjectiveName) -> dict[str, torch.Tensor]:
    """All pairs as one batch, laid out as training does."""
    row = OBJECTIVES[objective]
    reference = ReferenceLogps(
        [[0.0] * len(one.chosen_ids) for one in rows], [[0.0] * len(one.rejected_ids) for one in rows]
    )
    columns = objective_columns(rows, row, reference if row.preference else None)
    collator = make_collator(layout, 0, preference=row.preference, pad_to_multiple_of=PAD_TO_MULTIPLE_OF)
    return collator([dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)])


def _work(
    rows: list[TokenizedPair], objective: ObjectiveName = "target-rpo", **settings: object
) -> tuple[Workload, TrainingParams]:
    params = PARAMS.model_copy(update={"micro_batch_size": len(rows), **settings})
    return measure_workload([lengths_of_tokens(row) for row in rows], OBJECTIVES[objective], params), params


@pytest.mark.parametrize("objective", ["target-rpo", "dpo", "sft", "sft-rejected", "symmetric-rpo"])
@pytest.mark.parametrize("layout", ["padded", "fork"])
def test_slots_and_labels_are_those_of_the_real_batch(
    rows: list[TokenizedPair], layout: Layout, objective: ObjectiveName
) -> None:
    found, _ = _work(rows, objective, layout=layout)
    batch = _batch(rows, layout, objective)
    assert batch["input_ids"].shape == (found.largest.rows, found.largest.width)
    assert found.slots == batch["input_ids"].numel()
    assert found.labels == len(batch["label_slots"]) + _labels_in_both(rows, objective, layout)


def _labels_in_both(rows: list[TokenizedPair], objective: ObjectiveName, layout: Layout) -> int:
    """Shared tokens that count for both programs are one slot of a fork, and two labels in the estimate."""
    if layout == "padded" or not OBJECTIVES[objective].preference:
        return 0
    whole = OBJECTIVES[objective].rejected == "all"
    total = 0
    for row in rows:
        shared = lengths_of_tokens(row).shared
        total += shared if whole else sum(row.focal[:shared])
    return total


@pytest.mark.parametrize("layout", ["padded", "fork"])
def test_flops_are_those_that_are_counted(rows: list[TokenizedPair], qwen: Qwen2Config, layout: Layout) -> None:
    work, params = _work(rows, layout=layout)
    batch = _batch(rows, layout, "target-rpo")
    qwen._attn_implementation = "eager"  # of matrix products, which the counter knows on every device
    model = AutoModelForCausalLM.from_config(qwen)
    mask = attention_mask(batch["visible"], "eager") if layout == "fork" else batch["attention_mask"]
    with FlopCounterMode(display=False) as counter:
        hidden = model.model(
            input_ids=batch["input_ids"], position_ids=batch["position_ids"], attention_mask=mask, use_cache=False
        ).last_hidden_state
        forward = counter.get_total_flops()
        hidden.sum().backward()
    shape = read_shape(qwen)
    flops = estimate_flops(shape, work, params, Setting("fp32"))
    head = 2 * shape.vocabulary * shape.hidden * work.labels
    assert flops.training - 3 * head == pytest.approx(counter.get_total_flops(), rel=0.01)
    checkpointed = params.model_copy(update={"gradient_checkpointing": True})
    again = estimate_flops(shape, work, checkpointed, Setting("fp32"))
    assert (again.training, again.reference) == (flops.training, flops.reference)
    assert again.recompute - head == pytest.approx(forward, rel=0.01)
    assert flops.reference == pytest.approx(_scoring_flops(rows, model), rel=0.01)


def _scoring_flops(rows: list[TokenizedPair], model: PreTrainedModel) -> int:
    """FLOPs of scoring every program's tokens, each in a row of its own, as wide as batches are."""
    longest = max(len(row.prompt_ids) + max(len(row.chosen_ids), len(row.rejected_ids)) for row in rows)
    width = -(-longest // PAD_TO_MULTIPLE_OF) * PAD_TO_MULTIPLE_OF
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.model(input_ids=torch.zeros(2 * len(rows), width, dtype=torch.long), use_cache=False)
        head = model.get_output_embeddings()
        head(torch.zeros(sum(len(row.chosen_ids) + len(row.rejected_ids) for row in rows), head.in_features))
    return counter.get_total_flops()


def test_lora_trains_as_many_parameters_as_peft_makes(rows: list[TokenizedPair], qwen: Qwen2Config) -> None:
    adapted = get_peft_model(AutoModelForCausalLM.from_config(qwen), LoraConfig(r=4, target_modules="all-linear"))
    trained, everything = adapted.get_nb_trainable_parameters()
    work, params = _work(rows)
    shape = read_shape(qwen)
    found = estimate_training(shape, work, OBJECTIVES["dpo"], params, Setting("fp32", lora_rank=4))
    assert found.trained == trained
    assert found.memory.weights == 4 * everything
    assert (found.memory.gradients, found.memory.optimizer) == (4 * trained, 8 * trained)
    full = estimate_training(shape, work, OBJECTIVES["dpo"], params, Setting("fp32"))
    assert full.trained == shape.parameters
    assert found.flops.training < 0.75 * full.flops.training


def _traced_peak(run: Callable[[], object]) -> int:
    """The most bytes that tensors took at once during `run`, beyond what there was before: torch's own events."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    held = peak = 0
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda one: one.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


@pytest.mark.parametrize("layers", [2, 6])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_peak_of_forward_and_backward_is_near_the_estimate(family: str, checkpointing: bool, layers: int) -> None:
    """Within a fifth: bytes that torch allocates on a CPU while gradients of an earlier micro-batch stand."""
    config = FAMILIES[family](**SMALL, num_hidden_layers=layers)
    model = AutoModelForCausalLM.from_config(config).train()
    if checkpointing:
        model.activation_checkpointing_enable()
    rows, width = 4, 256
    mask = torch.ones(width, width, dtype=torch.bool).tril().expand(rows, 1, width, width)

    def pass_through() -> None:
        model.model(
            input_ids=torch.zeros(rows, width, dtype=torch.long),
            position_ids=torch.arange(width).expand(rows, width),
            attention_mask=mask,
            use_cache=False,
        ).last_hidden_state.sum().backward()

    pass_through()
    params = PARAMS.model_copy(update={"layout": "fork", "gradient_checkpointing": checkpointing})
    found = activation_bytes(read_shape(config), PRECISIONS["fp32"], MicroBatch(rows, width, 0), params)
    assert found == pytest.approx(_traced_peak(pass_through), rel=0.2)


@pytest.mark.parametrize("tied", [False, True])
def test_a_fresh_gradient_of_the_head_stands_beside_the_accumulated_one(rows: list[TokenizedPair], tied: bool) -> None:
    config = LlamaConfig(**SMALL | {"vocab_size": 50_000}, num_hidden_layers=1, tie_word_embeddings=tied)
    model, slots = AutoModelForCausalLM.from_config(config), torch.arange(4)
    add_label_head(model)

    def pass_through() -> None:
        model(
            input_ids=torch.zeros(1, 8, dtype=torch.long), label_slots=slots, label_targets=slots, use_cache=False
        ).sum().backward()

    pass_through()
    work, params = _work(rows)
    shape = read_shape(config)
    few = replace(work, largest=MicroBatch(1, 8, 4))
    found = estimate_memory(shape, few, params, Setting("fp32"))
    assert found.head + found.activations == pytest.approx(_traced_peak(pass_through), rel=0.2)
    for setting in (Setting("fp32", gpus=2), Setting("fp32", lora_rank=4)):
        assert estimate_memory(shape, few, params, setting).head < 0.1 * found.head
