"""`iterpref train --estimate`: from a configuration and pairs alone, and one message where something is missing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import Qwen2Config

from iterpref_core.nanolab.byte_bpe import train_tokenizer
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.storage.jsonl import write_jsonl
from tests.settings import ROOT

CHOSEN, REJECTED = "def f(x):\n    return x + 1\n", "def f(x):\n    return x + 2\n"
Estimate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The published configuration of Qwen2.5-Coder-7B and nothing else: no weights, no tokenizer."""
    folder = tmp_path / "qwen-7b"
    Qwen2Config(
        vocab_size=152_064, hidden_size=3584, intermediate_size=18_944, num_hidden_layers=28, num_attention_heads=28,
        num_key_value_heads=4, tie_word_embeddings=False, dtype="bfloat16", architectures=["Qwen2ForCausalLM"],
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.fixture
def estimate(tmp_path: Path, model: Path, iterpref: Callable[..., tuple[int, str, str]]) -> Estimate:
    start = REJECTED.index("    return")
    pairs = [PreferencePair(task_id=f"p{n}", prompt="Add one.", chosen=CHOSEN, rejected=REJECTED) for n in range(8)]
    spans = [
        FocalSpans(task_id=pair.task_id, method="line_lcs", rejected=((start, len(REJECTED)),), chosen=())
        for pair in pairs
    ]
    write_jsonl(tmp_path / "pairs.jsonl", pairs)
    write_jsonl(tmp_path / "focal.jsonl", spans)
    params = tmp_path / "params.yaml"
    params.write_bytes((ROOT / "params.yaml").read_bytes())

    def call(*arguments: object, objective: str = "target-rpo", model: object = model) -> tuple[int, str, str]:
        done: tuple[int, str, str] = iterpref(
            "train", "--pairs", tmp_path / "pairs.jsonl", "--spans", tmp_path / "focal.jsonl",
            "--objective", objective, "--model", model, "--params", params, *arguments,
        )  # fmt: skip
        return done

    return call


def test_memory_and_hours_of_a_model_that_is_not_here(estimate: Estimate, tmp_path: Path) -> None:
    code, out, _ = estimate("--estimate", "--json", "--total-pairs", "59000", "--precision", "bf16")
    assert code == 0
    found = json.loads(out)
    parameters = 7_615_616_512
    assert found["model"]["parameters"] == found["trained_parameters"] == parameters
    assert found["setting"]["precision"] == "bf16"
    memory = found["memory_per_gpu"]
    assert (memory["weights"], memory["gradients"], memory["optimizer"]) == (
        2 * parameters,
        2 * parameters,
        4 * parameters,
    )
    assert found["lengths"].startswith("guessed from characters")
    assert found["steps"] == 3 * 3688  # of 16 pairs
    # By hand: (8 + 27) / 3 characters, and one token more on a branch: two pairs fit in a row of 32 slots. 6 FLOPs a
    # parameter that multiplies.
    layers = 28 * (2 * 3584**2 + 2 * 3584 * 512 + 3 * 3584 * 18_944)
    by_hand = 6 * layers * 16 * 59_000 * 3
    assert by_hand < found["flops"]["training"] < 1.15 * by_hand  # and attention, and the head
    h200 = found["accelerators"]["H200 SXM"]
    done = found["flops"]["training"] + found["flops"]["reference"]
    assert h200["gpu_hours"] == pytest.approx(done / (0.4 * 989e12) / 3600)
    assert h200["fits"] == (memory["total"] < 0.9 * 141e9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["focal.jsonl", "pairs.jsonl", "params.yaml", "qwen-7b"]


def test_cards_share_the_model_and_mixed_precision_takes_sixteen_bytes(estimate: Estimate, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(params.read_text().replace("  micro_batch_size: 16", "  micro_batch_size: 2"))
    found = {
        gpus: json.loads(estimate("--estimate", "--json", "--precision", "mixed", "--gpus", gpus)[1]) for gpus in (1, 8)
    }
    for gpus, one in found.items():
        memory = one["memory_per_gpu"]
        assert gpus * (memory["weights"] + memory["gradients"] + memory["optimizer"]) == 16 * 7_615_616_512
        card = one["accelerators"]["H100 SXM"]
        assert card["hours"] == pytest.approx(card["gpu_hours"] / gpus)
        assert card["fits"] == (gpus == 8)


def test_the_table_says_what_it_rests_on(estimate: Estimate, model: Path) -> None:
    code, out, _ = estimate("--estimate", "--total-pairs", "59000")
    assert code == 0
    assert "7,615,616,512" in out
    assert "59,000, 8 of them measured; lengths: guessed from characters" in " ".join(out.split())
    assert "40% of a card's dense bf16 peak" in " ".join(out.split())
    train_tokenizer([CHOSEN, "Add one."], 300).save_pretrained(model)
    _, out, _ = estimate("--estimate")
    assert "lengths: tokens" in out


def test_sft_scores_no_reference(estimate: Estimate) -> None:
    found = json.loads(estimate("--estimate", "--json", objective="sft")[1])
    assert found["flops"]["reference"] == found["reference_cache_on_disk"] == found["memory_per_gpu"]["reference"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--estimate", "--precision", "int4"], "available: bf16, mixed, autocast, fp32"),
        (
            ["--estimate", "--gpus", "3"],
            "training.batch_size: 16 is no multiple of training.micro_batch_size = 16 on 3 GPUs",
        ),
        ([], "--out is missing"),
    ],
)
def test_a_mistake_is_one_message(estimate: Estimate, arguments: list[str], message: str) -> None:
    code, _, err = estimate(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_a_configuration_that_is_not_here_or_not_known_is_one_message(
    estimate: Estimate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    code, _, err = estimate("--estimate", model="no-such-org/no-such-model")
    assert code == 2
    assert "'no-such-org/no-such-model': its config.json is not on this machine" in err
    assert "hf download no-such-org/no-such-model config.json" in err
    other = tmp_path / "other"
    other.mkdir()
    mixture = {
        "model_type": "mixtral", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 64,
        "num_attention_heads": 2, "num_key_value_heads": 2, "num_local_experts": 2,
    }  # fmt: skip
    (other / "config.json").write_text(json.dumps(mixture), encoding="utf-8")
    code, _, err = estimate("--estimate", model=other)
    assert code == 2
    assert "model type 'mixtral': no estimate for it" in err
    (other / "config.json").write_text('{"model_type": "unheard-of"}', encoding="utf-8")
    code, _, err = estimate("--estimate", model=other)
    assert code == 2
    assert "transformers knows no model_type 'unheard-of'" in err
