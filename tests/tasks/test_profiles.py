"""Profiles change values and nothing else."""

from pathlib import Path

import pytest
import yaml

from iterpref_core.config import Params, load_params
from iterpref_core.errors import ConfigError
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from iterpref_core.objectives.objectives import OBJECTIVES
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.training.dataset import tokenize_pair
from tasks.orchestration.profiles import apply_profile
from tests.settings import ROOT

PROFILES = ROOT / "profiles"
NAMES = sorted(path.stem for path in PROFILES.glob("*.yaml"))


@pytest.fixture
def params(tmp_path: Path) -> Path:
    copy = tmp_path / "params.yaml"
    copy.write_bytes((ROOT / "params.yaml").read_bytes())
    return copy


def test_comments_and_order_stay(params: Path) -> None:
    before = params.read_text(encoding="utf-8").splitlines()
    apply_profile("tiny", params, PROFILES)
    after = params.read_text(encoding="utf-8").splitlines()
    assert len(after) == len(before)
    for old, new in zip(before, after, strict=True):
        assert old.partition(":")[0] == new.partition(":")[0]
        assert old.partition("#")[2] == new.partition("#")[2]
    assert load_params(params).evaluation.benchmarks == ("heldout",)


def test_what_changed_is_told_once(params: Path) -> None:
    changes = apply_profile("tiny", params, PROFILES)
    assert "evaluation.benchmarks: [heldout, humaneval, humaneval+, mbpp, mbpp+] → [heldout]" in changes
    assert apply_profile("tiny", params, PROFILES) == []


def test_nano_undoes_every_other_profile(params: Path) -> None:
    original = params.read_bytes()
    for name in NAMES:
        apply_profile(name, params, PROFILES)
        load_params(params)
        apply_profile("nano", params, PROFILES)
        assert params.read_bytes() == original, f"nano.yaml lacks a value that {name} changes, or has an old one"


def test_what_a_profile_leaves_does_not_depend_on_the_one_before(params: Path) -> None:
    original = params.read_bytes()
    for name in NAMES:
        params.write_bytes(original)
        apply_profile(name, params, PROFILES)
        alone = params.read_bytes()
        for before in ("authors-code-deepseek-coder-7b", "tiny"):
            apply_profile(before, params, PROFILES)
            apply_profile(name, params, PROFILES)
            assert params.read_bytes() == alone, f"{name} leaves something of {before}"


QWEN = "<|im_start|>user\nAdd one.<|im_end|>\n<|im_start|>assistant\n"
PLAIN = "Add one.\n"
FENCED = "```python\nx + 1\n```"


@pytest.mark.parametrize(
    ("name", "student", "rate", "prompt"),
    [
        ("qwen2.5-coder-1.5b", "Qwen/Qwen2.5-Coder-1.5B", 1e-5, PLAIN),
        ("qwen2.5-coder-7b", "Qwen/Qwen2.5-Coder-7B", 1e-5, PLAIN),
        ("qwen2.5-coder-32b", "Qwen/Qwen2.5-Coder-32B", 5e-6, PLAIN),
        ("deepseek-coder-7b", "deepseek-ai/deepseek-coder-7b-instruct-v1.5", 1e-5, QWEN),
        ("codeqwen1.5-7b", "Qwen/CodeQwen1.5-7B-Chat", 1e-5, QWEN),
        ("starcoder2-15b", "bigcode/starcoder2-15b", 5e-6, PLAIN),
    ],
)
def test_each_model_of_the_paper_has_both_recipes(
    params: Path, chat_model: Path, name: str, student: str, rate: float, prompt: str
) -> None:
    recipes = {
        f"paper-{name}": (rate, 3, "sum", prompt),
        f"authors-code-{name}": (5e-6, 2, "mean", PLAIN),
    }
    for profile, (learning_rate, epochs, nll, shown) in recipes.items():
        apply_profile(profile, params, PROFILES)
        found = load_params(params)
        training = found.training
        assert found.model.student == student
        assert {own.learning_rate for own in training.objectives.values()} == {learning_rate}
        assert {key: own.alpha for key, own in training.objectives.items()} == {
            key: 1.0 if OBJECTIVES[key].nll_of else 0.0 for key in training.objectives
        }
        assert (training.epochs, training.nll, training.batch_size, training.micro_batch_size) == (epochs, nll, 128, 1)
        assert (training.beta, training.warmup_ratio, training.max_prompt_length, training.max_length) == (
            0.1,
            0.03,
            1024,
            2048,
        )
        assert training.bf16
        assert training.gradient_checkpointing
        assert _as_read(chat_model, found) == (shown, FENCED)
        assert (training.seed == 42) == profile.startswith("authors-code")


def test_small_is_an_instruct_model_and_its_template(params: Path, chat_model: Path) -> None:
    apply_profile("small", params, PROFILES)
    found = load_params(params)
    assert found.model.student == "Qwen/Qwen2.5-Coder-0.5B-Instruct"
    assert _as_read(chat_model, found) == (QWEN, FENCED)


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tokenizer of a model that has a chat template, as base models of Qwen have, too."""
    tokenizer = train_tokenizer(["<|im_start|>user assistant", FENCED], 300)
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    folder = tmp_path_factory.mktemp("chat")
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    return folder


def _as_read(model: Path, params: Params) -> tuple[str, str]:
    """A pair's prompt and chosen program as training shows them to the model, decoded; without the end token."""
    pair = PreferencePair(task_id="p", prompt="Add one.", chosen="x + 1\n", rejected="x + 2\n")
    spans = FocalSpans(task_id="p", method="line_lcs", rejected=((0, 5),), chosen=((0, 5),))
    tokenizer = load_tokenizer(model, params.model.prompt)
    row = tokenize_pair(pair, spans, tokenizer, params.training)
    assert row.chosen_ids[-1] == tokenizer.eos_token_id
    marked = [token for token, mark in zip(row.rejected_ids, row.focal, strict=True) if mark]
    assert tokenizer.decode(marked).strip() == "x + 2"
    return tokenizer.decode(row.prompt_ids), tokenizer.decode(row.chosen_ids[:-1])


def test_a_base_that_is_absent_or_goes_in_circles_is_named(params: Path, tmp_path: Path) -> None:
    for name, base in (("a", "b"), ("b", "a"), ("c", "absent")):
        (tmp_path / f"{name}.yaml").write_text(f"base: {base}\ntraining: {{beta: 0.2}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"base: a → b → a builds on itself"):
        apply_profile("a", params, tmp_path)
    with pytest.raises(ConfigError, match=r"c\.yaml: base: profile 'absent': there is no .*available: a, b, c"):
        apply_profile("c", params, tmp_path)


def test_a_value_over_several_lines_is_written_on_one(params: Path, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("evaluation:\n  benchmarks:\n    - mbpp\n    - mbpp+\n", encoding="utf-8")
    apply_profile("x", params, tmp_path)
    assert load_params(params).evaluation.benchmarks == ("mbpp", "mbpp+")


def test_an_unknown_profile_names_those_there_are(params: Path) -> None:
    with pytest.raises(ConfigError, match=r"profile 'huge': .*available: .*nano, .*paper, .*tiny"):
        apply_profile("huge", params, PROFILES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"training": {"betta": 0.2}}, r"training\.betta: .*has no such parameter"),
        ({"training": {"beta": -1}}, r"training\.beta"),
    ],
)
def test_a_bad_profile_changes_nothing(params: Path, tmp_path: Path, values: dict[str, object], message: str) -> None:
    original = params.read_bytes()
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        apply_profile("bad", params, tmp_path)
    assert params.read_bytes() == original
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
