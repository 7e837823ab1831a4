"""From published sets to a trained model without a call of a model: what people got wrong is what is learned from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.pairs.pairs.pair_selection import select_pairs
from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Source
from iterpref_core.problems.ingestion.problem_rows import Selection
from iterpref_core.records.config import LocalizationParams, ObjectiveParams, PairsParams, TrainingParams
from tests.problems.ingestion.published_rows import ROWS
from tests.settings import EXECUTION, section

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

pytestmark = pytest.mark.filterwarnings("ignore:'pin_memory':UserWarning")  # of a machine without an accelerator


@pytest.mark.slow
def test_right_and_wrong_programs_of_people_train_a_model(
    tmp_path: Path, make_model: "Callable[[PreTrainedTokenizerBase], Path]"
) -> None:
    import torch
    from safetensors.torch import load_file

    from iterpref_core.training.nanolab.byte_bpe import train_tokenizer
    from iterpref_core.training.trainer.train_objective import train_objective

    problems = tmp_path / "problems.jsonl"
    trajectories = tmp_path / "trajectories.jsonl"
    for form in ("code_contests", "acecode"):
        source = tmp_path / f"{form}.jsonl"
        source.write_text(json.dumps(ROWS[form].row))
        out = tmp_path / f"{form}.problems"
        errors = tmp_path / f"{form}.trajectories"
        ingest(Source([source]), form, out, EXECUTION, Selection(visible=1), tmp_path / "store", trajectories=errors)
        for part, whole in ((out, problems), (errors, trajectories)):
            with whole.open("a") as file:
                file.write(part.read_text())

    model = make_model(train_tokenizer([problems.read_text(), trajectories.read_text()], 400))
    pairs = tmp_path / "pairs.jsonl"
    filters = section(PairsParams, benchmarks=(), near_duplicate=None, rejected="random")
    assert select_pairs(trajectories, problems, model, filters, pairs)["pairs"] == 2

    spans = tmp_path / "focal.jsonl"
    method = section(LocalizationParams, method="line_lcs", empty="anchor", widen_lines=0)
    assert localize_pairs(pairs, method, spans)["pairs"] == 2

    params = section(
        TrainingParams,
        epochs=2,
        batch_size=2,
        micro_batch_size=2,
        max_prompt_length=128,
        max_length=256,
        bf16=False,
        gradient_checkpointing=False,
        validation_share=0.0,
        select="last",
        objectives={"target-rpo": ObjectiveParams(learning_rate=1e-3, alpha=1.0)},
    )
    trained = tmp_path / "trained"
    train_objective(
        {"pairs": pairs, "spans": spans},
        model,
        "target-rpo",
        params,
        trained,
        tmp_path / "curve.csv",
        tmp_path / "work",
    )
    before = load_file(model / "model.safetensors")
    after = load_file(trained / "model.safetensors")
    assert not all(torch.equal(before[name], after[name]) for name in before)
