"""Error regions: a failing answer is pushed down in D- alone, where its repair is known, and otherwise as in GRPO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies
from hypothesis import settings as hypothesis_settings

from iterpref_core.localization.line_lcs import locate_error

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


@hypothesis_settings(max_examples=40)
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


class _Kept:
    """The batches of a training, with the weights before each, and the losses that the trainer computed."""

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []
        self.weights: list[dict[str, torch.Tensor]] = []
        self.losses: list[float] = []
        self.sequence: list[torch.Tensor] = []


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> _Kept:
    from iterpref_core.reinforcement import grpo_trainer
    from iterpref_core.reinforcement.grpo_trainer import TemplateGRPOTrainer

    kept = _Kept()
    compute = TemplateGRPOTrainer._compute_loss
    focus = grpo_trainer.focus

    def keep_loss(self: TemplateGRPOTrainer, model: Any, inputs: dict[str, Any]) -> Any:
        kept.batches.append({name: value for name, value in inputs.items()})
        kept.weights.append({name: weight.detach().clone() for name, weight in self.model.state_dict().items()})
        loss = compute(self, model, inputs)
        kept.losses.append(loss.item())
        return loss

    def keep_advantages(advantages: torch.Tensor, *args: Any, **named: Any) -> Any:
        kept.sequence.append(advantages.clone())
        return focus(advantages, *args, **named)

    monkeypatch.setattr(TemplateGRPOTrainer, "_compute_loss", keep_loss)
    monkeypatch.setattr(grpo_trainer, "focus", keep_advantages)
    return kept


@pytest.mark.parametrize("loss_type", ["dapo", "grpo", "dr_grpo"])
def test_the_loss_is_that_of_a_plain_computation(
    tmp_path: Path, train: Train, kept: _Kept, coin: Path, loss_type: str
) -> None:
    """Each token's log-probability is multiplied by the advantage of its answer, or by 0 outside of a D-."""
    import torch

    from iterpref_core.models.tokenizers import load_chat_template
    from iterpref_core.models.weights import load_model

    train("run", settings(steps=2, advantage="error-region", arguments={"loss_type": loss_type}))
    template = load_chat_template(coin)
    model = load_model(coin)
    regions = locate_error(WRONG, RIGHT).rejected
    pushed_down = 0
    for batch, weights, loss in zip(kept.batches, kept.weights, kept.losses, strict=True):
        model.load_state_dict(weights)
        totals = []
        lengths = []
        for row in range(len(batch["completion_ids"])):
            length = int(batch["completion_mask"][row].sum())
            opening = batch["prompt_ids"][row][batch["prompt_mask"][row].bool()]
            answer = batch["completion_ids"][row, :length]
            with torch.no_grad():
                logits = model(input_ids=torch.cat([opening, answer]).unsqueeze(0)).logits[0]
            logps = logits.log_softmax(dim=-1)[len(opening) - 1 : -1].gather(1, answer.unsqueeze(1)).squeeze(1)
            # On-policy, the ratio is 1: the loss of a token is its negative advantage, and its gradient that of the
            # advantage times the log-probability.
            text = template.tokenizer.decode(answer, skip_special_tokens=True)
            advantage = batch["advantages"][row]
            expected = advantage.max() if advantage.max() > 0 else advantage.min()
            factors = torch.full((length,), float(expected))
            if text == WRONG and expected < 0:
                ((start, end),) = regions
                for place in range(length):
                    first = len(template.tokenizer.decode(answer[:place], skip_special_tokens=True))
                    last = len(template.tokenizer.decode(answer[: place + 1], skip_special_tokens=True))
                    if not (first < end and start < last):
                        factors[place] = 0.0
                pushed_down += 1
            assert logps.isfinite().all()
            totals.append(float(-factors.sum()))
            lengths.append(length)
        if loss_type == "grpo":
            plain = sum(total / length for total, length in zip(totals, lengths, strict=True)) / len(totals)
        elif loss_type == "dr_grpo":
            plain = sum(totals) / (len(totals) * 24)
        else:
            plain = sum(totals) / sum(lengths)
        assert loss == pytest.approx(plain, abs=1e-5)
    assert pushed_down
