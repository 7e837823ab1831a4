"""What training did to each token: against the model asked token by token, and the masks that training uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from iterpref_core.cli.app import app
from iterpref_core.evaluation.report.program_lines import sum_changes
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.lineage import training_parameters
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ModelError

from .conftest import Inputs, Train

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

AWKWARD = PreferencePair(
    task_id="awkward", prompt="Größe?", chosen="\n\nx = '数🙂'\r\n\ty", rejected="\n\nx = '🙂数'\n\t\ty\n"
)


@pytest.fixture(scope="module")
def trained(model_folder: Path, tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerBase) -> Path:
    import torch
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("trained")
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    torch.manual_seed(1)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def one_by_one(folder: Path, prompt: list[int], program: list[int]) -> list[float]:
    """Log-probabilities in float64, each from a forward pass of its own."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    found = []
    with torch.no_grad():
        for place, token in enumerate(program):
            logits = model(torch.tensor([prompt + program[:place]])).logits[0, -1]
            found.append(float(logits[token] - torch.logsumexp(logits, 0)))
    return found


def test_every_token_has_the_log_probabilities_of_both_models_at_its_place(
    pair_records: list[PreferencePair],
    model_folder: Path,
    trained: Path,
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
) -> None:
    from iterpref_core.evaluation.inspection.shifts import score_shifts
    from iterpref_core.training.data.tokenization import tokenize_pairs

    pairs = [pair_records[0], AWKWARD]
    for pair, shifts in zip(pairs, score_shifts(pairs, model_folder, trained, params, batch_size=3), strict=True):
        unmarked = FocalSpans(task_id="", method="", rejected=(), chosen=())
        (row,) = tokenize_pairs([(pair, unmarked)], ChatTemplate(tokenizer), params)
        assert shifts.task_id == pair.task_id
        for text, ids, tokens in (
            (pair.chosen, row.chosen_ids, shifts.chosen),
            (pair.rejected, row.rejected_ids, shifts.rejected),
        ):
            assert [t.before for t in tokens] == pytest.approx(one_by_one(model_folder, row.prompt_ids, ids), abs=1e-4)
            assert [t.after for t in tokens] == pytest.approx(one_by_one(trained, row.prompt_ids, ids), abs=1e-4)
            assert (tokens[-1].start, tokens[-1].end) == (len(text), len(text))
            covered = {place for token in tokens for place in range(token.start, token.end)}
            assert covered == set(range(len(text))), "every character belongs to a token"


def test_the_sum_in_the_region_is_k_minus_of_the_mask_that_training_uses(
    pair_records: list[PreferencePair],
    span_records: list[FocalSpans],
    model_folder: Path,
    trained: Path,
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
) -> None:
    from iterpref_core.evaluation.inspection.shifts import score_shifts
    from iterpref_core.training.data.tokenization import tokenize_pairs

    pair, spans = pair_records[3], span_records[3]
    (shifts,) = score_shifts([pair], model_folder, trained, params)
    (row,) = tokenize_pairs([(pair, spans)], ChatTemplate(tokenizer), params)
    after, before = (one_by_one(folder, row.prompt_ids, row.rejected_ids) for folder in (trained, model_folder))
    k_minus = sum(mark * (new - old) for mark, new, old in zip(row.focal, after, before, strict=True))
    assert sum_changes(shifts.rejected, spans.rejected) == pytest.approx(k_minus, abs=1e-4)
    assert abs(k_minus) > 0.01


def test_a_model_with_other_tokens_is_refused(
    pair_records: list[PreferencePair], model_folder: Path, word_model: Path, params: TrainingParams
) -> None:
    from iterpref_core.evaluation.inspection.shifts import score_shifts

    with pytest.raises(ModelError, match=r"it tokenizes these pairs differently from .*give the model"):
        score_shifts(pair_records[:1], model_folder, word_model, params)


def test_how_a_model_was_trained_is_read_from_its_lineage(inputs: Inputs, train: Train, tmp_path: Path) -> None:
    shown = ["show", "--pairs", str(inputs[0]), "--model", str(inputs[2]), "--trained", str(tmp_path / "run" / "out")]
    train("run", "sft", epochs=1, answer="fenced", max_length=90)
    read = training_parameters(tmp_path / "run" / "out")
    assert (read["training.answer"], read["training.max_length"], read["model.prompt"]) == ("fenced", 90, "auto")
    asked: list[TrainingParams] = []

    def score(pairs: list[PreferencePair], before: str, after: str, params: TrainingParams, _: object) -> list[object]:
        asked.append(params)
        return []

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("iterpref_core.evaluation.inspection.shifts.score_shifts", score)
        for set_ in ([], ["--set", "training.max_length=80"]):
            result = CliRunner().invoke(app, [*shown, *set_])
            assert result.exit_code == 0, result.output
    assert [(params.answer, params.max_length) for params in asked] == [("fenced", 90), ("fenced", 80)]


def test_a_folder_without_a_record_of_training_says_nothing(model_folder: Path) -> None:
    assert training_parameters(model_folder) == {}
