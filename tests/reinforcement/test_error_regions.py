"""Error regions: a failing answer is pushed down in D- alone, where its repair is known, and otherwise as in GRPO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies

from .conftest import RIGHT, WRONG, Train, settings

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from iterpref_core.reinforcement.grpo_trainer import TemplateGRPOTrainer

_CHARACTERS = strategies.sampled_from(list("def(x):\n\t =éü漢😀 return"))


@pytest.fixture(scope="module")
def tokenizer(coin: Path) -> PreTrainedTokenizerBase:
    from iterpref_core.models.tokenizers import load_chat_template

    return load_chat_template(coin).tokenizer


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "out" / "model.safetensors")


@given(pieces=strategies.lists(strategies.text(_CHARACTERS, max_size=6), max_size=8))
def test_each_drawn_token_has_its_own_characters(tokenizer: PreTrainedTokenizerBase, pieces: list[str]) -> None:
    """The pieces are encoded one by one, so that the tokens are others than the tokenizer's own of the whole text."""
    from iterpref_core.reinforcement.error_regions import token_spans

    ids: list[int] = []
    expected: list[set[int]] = []
    place = 0
    for piece in pieces:
        encoded = tokenizer(piece, add_special_tokens=False)
        ids += encoded["input_ids"]
        # Each token's bytes, and so its characters, counted by hand.
        owners = [number for number, character in enumerate(piece) for _ in character.encode()]
        at = 0
        for token in tokenizer.convert_ids_to_tokens(encoded["input_ids"]):
            expected.append({place + owner for owner in owners[at : at + len(token)]})
            at += len(token)
        place += len(piece)
    text, spans = token_spans(ids, lambda drawn: tokenizer.decode(drawn, skip_special_tokens=True))
    assert text == "".join(pieces)
    assert [set(range(*span)) for span in spans] == expected


def test_a_token_without_text_has_no_characters(tokenizer: PreTrainedTokenizerBase) -> None:
    from iterpref_core.reinforcement.error_regions import token_spans

    ids = [*tokenizer("a", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    _, spans = token_spans(ids, lambda drawn: tokenizer.decode(drawn, skip_special_tokens=True))
    assert spans == [(0, 1), (1, 1)]


def test_the_repair_is_the_passing_program_that_is_nearest(tokenizer: PreTrainedTokenizerBase) -> None:
    from iterpref_core.reinforcement.error_regions import error_mask

    def decode(ids: Any) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True))

    ids = tokenizer(WRONG)["input_ids"]
    far = "def f(y):\n    z = y\n    return z + 1\n"
    mask = error_mask(ids, WRONG, [far, RIGHT], decode)
    assert mask is not None
    marked = decode([token for token, one in zip(ids, mask, strict=True) if one])
    assert marked.strip() == "return x - 1"
    assert error_mask(ids, WRONG, [], decode) is None
    assert error_mask(ids, "", [RIGHT], decode) is None
    assert error_mask(ids, WRONG, [WRONG], decode) is None, "the same program, which passed another time"
    twice = tokenizer(WRONG + WRONG)["input_ids"]
    assert error_mask(twice, WRONG, [RIGHT], decode) is None, "the program stands there twice"
    assert error_mask(ids, WRONG + "\n\n#", [RIGHT], decode) is None, "the program does not stand there"


def test_a_fix_that_inserts_marks_the_line_in_its_place(tokenizer: PreTrainedTokenizerBase) -> None:
    from iterpref_core.reinforcement.error_regions import error_mask

    def decode(ids: Any) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True))

    wrong = "def f(x):\n    return x\n"
    ids = tokenizer(wrong)["input_ids"]
    mask = error_mask(ids, wrong, ["def f(x):\n    x += 1\n    return x\n"], decode)
    assert mask is not None
    assert decode([token for token, one in zip(ids, mask, strict=True) if one]).strip() == "return x"


def plain_loss(model: Any, batch: dict[str, Any], loss_type: str) -> torch.Tensor:
    """Return the loss of GRPO, row by row without padding: minus each token's advantage times its probability ratio."""
    import torch

    totals = []
    lengths = []
    for row in range(len(batch["completion_ids"])):
        opening = batch["prompt_ids"][row][batch["prompt_mask"][row].bool()]
        answer = batch["completion_ids"][row][batch["completion_mask"][row].bool()]
        logits = model(input_ids=torch.cat([opening, answer]).unsqueeze(0)).logits[0]
        logps = logits.float().log_softmax(dim=-1)[len(opening) - 1 : -1].gather(1, answer.unsqueeze(1)).squeeze(1)
        written = batch["tool_mask"][row][: len(answer)] if "tool_mask" in batch else torch.ones(len(answer))
        ratio = (logps - logps.detach()).exp()
        advantages = batch["advantages"][row] * torch.ones(batch["completion_ids"].shape[1])
        totals.append(-(ratio * advantages[: len(answer)] * written).sum())
        lengths.append(written.sum())
    if loss_type == "grpo":
        return sum(total / length for total, length in zip(totals, lengths, strict=True)) / len(totals)  # type: ignore[return-value]
    if loss_type == "dr_grpo":
        return sum(totals) / (len(totals) * 24)  # type: ignore[return-value]
    return sum(totals) / sum(lengths)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("loss_type", "turns"),
    [
        ("dapo", 2),
        *(pytest.param(loss_type, 1, marks=pytest.mark.slow) for loss_type in ("dapo", "grpo", "dr_grpo")),
        *(pytest.param(loss_type, 2, marks=pytest.mark.slow) for loss_type in ("grpo", "dr_grpo")),
    ],
)
def test_loss_and_gradient_are_those_of_a_plain_computation(
    train: Train, monkeypatch: pytest.MonkeyPatch, loss_type: str, turns: int
) -> None:
    """In dialogues no feedback token counts: it takes part in no sum."""
    import torch

    from iterpref_core.reinforcement.grpo_trainer import TemplateGRPOTrainer

    compute = TemplateGRPOTrainer._compute_loss
    compared = []

    def compare(self: TemplateGRPOTrainer, model: Any, inputs: dict[str, Any]) -> Any:
        loss = compute(self, model, inputs)
        own = plain_loss(model, inputs, loss_type)
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        gradients = torch.autograd.grad(loss, weights, retain_graph=True)
        for theirs, ours in zip(gradients, torch.autograd.grad(own, weights), strict=True):
            assert torch.allclose(theirs, ours, atol=1e-5)
        assert loss.item() == pytest.approx(own.item(), abs=1e-5)
        compared.append((inputs["advantages"].dim(), float(gradients[0].abs().max())))
        return loss

    monkeypatch.setattr(TemplateGRPOTrainer, "_compute_loss", compare)
    train("run", settings(steps=2, advantage="error-region", turns=turns, arguments={"loss_type": loss_type}))
    assert {dimensions for dimensions, _ in compared} == {2}
    assert min(largest for _, largest in compared) > 1e-4


def test_a_failing_answer_is_pushed_down_in_its_error_region_alone(
    train: Train, monkeypatch: pytest.MonkeyPatch, tokenizer: PreTrainedTokenizerBase
) -> None:
    import torch

    from iterpref_core.reinforcement import grpo_trainer

    focus = grpo_trainer.focus
    seen = set()

    def compare(advantages: torch.Tensor, failed: Any, repairs: Any, width: int, decode: Any) -> Any:
        found, located = focus(advantages, failed, repairs, width=width, decode=decode)
        expected = advantages.unsqueeze(1).repeat(1, width)
        for answer in failed:
            known = repairs.get(answer.task_id, [])
            if answer.program != WRONG or RIGHT not in known or advantages[answer.row] >= 0:
                continue
            # Of both programs the first lines are the same.
            first_line = len("def f(x):\n")
            for place in range(len(answer.ids)):
                until = len(decode(answer.ids[: place + 1]))
                ends_program = decode(answer.ids[place : place + 1]) in ("", "\n")
                if until <= first_line or ends_program:
                    expected[answer.row, place] = 0.0
            seen.add("located")
            assert torch.equal(found[answer.row], expected[answer.row])
            assert 0 < int((found[answer.row] < 0).sum()) < len(answer.ids)
        for row in range(len(advantages)):
            if advantages[row] > 0:
                seen.add("passes")
                assert torch.equal(found[row], expected[row])
        return found, located

    monkeypatch.setattr(grpo_trainer, "focus", compare)
    train("run", settings(steps=2, advantage="error-region"))
    assert seen == {"located", "passes"}


@pytest.mark.slow
def test_without_a_known_repair_the_weights_are_those_of_grpo_bit_for_bit(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are all weights where no advantage is asked on error regions; with regions they are others."""
    import torch

    from iterpref_core.reinforcement import error_regions

    train("plain", settings(steps=3))
    train("regions", settings(steps=3, advantage="error-region"))
    monkeypatch.setattr(error_regions, "error_mask", lambda *_: None)
    train("unknown", settings(steps=3, advantage="error-region"))
    plain, regions, unknown = (read_weights(tmp_path / name) for name in ("plain", "regions", "unknown"))
    assert all(torch.equal(weight, unknown[name]) for name, weight in plain.items())
    assert not all(torch.equal(weight, regions[name]) for name, weight in plain.items())
    assert "error_regions" in (tmp_path / "regions" / "curve.csv").read_text(encoding="utf-8")
    assert "error_regions" not in (tmp_path / "plain" / "curve.csv").read_text(encoding="utf-8")
