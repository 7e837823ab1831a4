"""Profiles change values and nothing else."""

from pathlib import Path

import pytest
import yaml

from iterpref_core.config import load_params
from iterpref_core.errors import ConfigError
from tasks.profiles import apply_profile

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "profiles"


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
    assert load_params(params).evaluate.benchmarks == ("heldout",)


def test_what_changed_is_told_once(params: Path) -> None:
    changes = apply_profile("tiny", params, PROFILES)
    assert "evaluate.benchmarks: [heldout, humaneval, humaneval+, mbpp, mbpp+] → [heldout]" in changes
    assert apply_profile("tiny", params, PROFILES) == []


def test_nano_undoes_every_other_profile(params: Path) -> None:
    original = params.read_bytes()
    for path in PROFILES.glob("*.yaml"):
        apply_profile(path.stem, params, PROFILES)
        apply_profile("nano", params, PROFILES)
        assert params.read_bytes() == original, f"nano.yaml lacks a value that {path.name} changes, or has an old one"


def test_an_unknown_profile_names_those_there_are(params: Path) -> None:
    with pytest.raises(ConfigError, match=r"profile 'huge': .*available: .*nano, tiny"):
        apply_profile("huge", params, PROFILES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train": {"betta": 0.2}}, r"train\.betta: .*has no such parameter"),
        ({"train": {"beta": -1}}, r"train\.beta"),
    ],
)
def test_a_bad_profile_changes_nothing(params: Path, tmp_path: Path, values: dict[str, object], message: str) -> None:
    original = params.read_bytes()
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        apply_profile("bad", params, tmp_path)
    assert params.read_bytes() == original
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
