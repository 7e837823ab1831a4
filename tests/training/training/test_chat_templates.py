"""A model that answers as its own template writes is evaluated and debugged with, without a change."""

import pytest

from iterpref_core.evaluation.evaluation.model_evaluation import evaluate_model
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.prompts.codeflow_prompts import draft_prompt
from iterpref_core.pairs.codeflow.codeflow import run_codeflow
from iterpref_core.pairs.codeflow.roles import NO_CAPS, choose_models
from iterpref_core.records import (
    CodeflowParams,
    EvaluationParams,
    InferenceParams,
    InputError,
    IoTest,
    PreferencePair,
    Problem,
    PromptFormat,
)
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.data.tokenization import tokenize_pairs
from tests.chat_templates import EXCHANGES, FAMILIES, fit_model, make_tokenizer
from tests.settings import EXECUTION, PARAMS, changed, section


@pytest.mark.parametrize("name", ["ChatML", pytest.param("Llama 2", marks=pytest.mark.slow)])
def test_it_is_evaluated_and_debugged_with(name, tmp_path):
    """By a quick family, and by one that puts a blank on either side of an answer."""
    family, folder, problems = FAMILIES[name], tmp_path / "fitted", tmp_path / "problems.jsonl"
    reads = family.prompt_format
    asked = [(draft_prompt(prompt), program) for prompt, program in EXCHANGES]
    fit_model(make_tokenizer(family), family, asked, folder)
    rows = []
    for split in ("heldout", "codeflow"):
        for k, (prompt, _) in enumerate(EXCHANGES, 1):
            tests = (IoTest(call=f"f_{k}(1)", expected=str(1 + k)),)
            rows.append(Problem(task_id=f"{split}{k}", prompt=prompt, entry_point=f"f_{k}", tests=tests, split=split))
    write_jsonl(problems, rows)
    inference = section(InferenceParams, backend="transformers", bf16=False)

    evaluation = section(EvaluationParams, benchmarks=("heldout",), samples=1, max_new_tokens=60, batch_size=4)
    sections = {"evaluation": evaluation, "execution": EXECUTION, "inference": inference, "budget": NO_CAPS}
    files = {name: tmp_path / name for name in ("out", "answers", "cache")}
    where = {"model": folder, "problems": problems, "prompt": reads}
    results = evaluate_model(changed(PARAMS, **sections), "fitted", **where, **files)
    assert results.measured["heldout"].pass_at_1 == 1.0

    codeflow = section(CodeflowParams, temperature=0.0, max_new_tokens=60, max_iterations=1)
    models = choose_models(folder, folder, codeflow, inference, NO_CAPS, reads, reads)
    files = tmp_path / "codeflow.sqlite", tmp_path / "trajectories.jsonl"
    assert run_codeflow(problems, models, codeflow, EXECUTION, *files).pass_rate[0] == 1.0


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_that_are_in_the_template_already_are_refused(family, params):
    """As alignment-handbook has them: they would be put into the template once more."""
    template = ChatTemplate(make_tokenizer(FAMILIES[family]))
    form = changed(params, max_prompt_length=200, max_length=400)
    bare = PreferencePair(task_id="p", prompt="User: add one.", chosen="x = 1", rejected="x = 2")
    written = bare.model_copy(update={"prompt": template.render_prompt(bare.prompt)})
    assert list(tokenize_pairs([bare], template, form))
    if template.opening:
        with pytest.raises(InputError, match="pair 'p': its prompt is in the chat template already"):
            list(tokenize_pairs([written], template, form))
    as_it_is = ChatTemplate(template.tokenizer, PromptFormat(template="completion"))
    assert list(tokenize_pairs([written], as_it_is, form))
