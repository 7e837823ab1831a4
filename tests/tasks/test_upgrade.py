"""Settings of a user after an upgrade: carried over a conflict, and left out with a word where a parameter is gone."""

from pathlib import Path

import pytest

from iterpref_core.records import InputError, load_params
from tasks.paths import PARAMS
from tasks.upgrade import carry_over
from tests.dvc_repository import commit, git
from tests.settings import ROOT

NEW = (ROOT / "params.yaml").read_text()
OLD = NEW.replace("\ntraining:", "\nvalidity_of_old: {judge: false}\ntraining:").replace("# the model", "# a model")
OWN = OLD.replace("  student: nanolab", "  student: org/mine").replace("judge: false", "judge: true")
PROFILE = Path("config/profiles/mine.yaml")


@pytest.fixture
def upgraded(tmp_path, monkeypatch):
    """A checkout with its user's values, which has got the new release in one of three ways."""
    monkeypatch.chdir(tmp_path)

    def make(way, profile="profile: mine"):
        git("init", "--quiet", "--initial-branch", "main")
        for text, branch in ((OLD, "main"), (NEW, "release")):
            git("checkout", "--quiet", "-B", branch)
            PARAMS.write_text(text)
            PROFILE.parent.mkdir(parents=True, exist_ok=True)
            PROFILE.write_text("base: theirs")
            PROFILE.with_stem("theirs").write_text(f"training: {{epochs: {9 if text == OLD else 4}}}")
            git("add", ".")
            commit(branch)
        git("checkout", "--quiet", "main")
        PARAMS.write_text(OWN.replace("profile: nano", profile).replace("epochs: 5", "epochs: 9"))
        if way == "stash":
            git("stash")
            git("merge", "--quiet", "release")
            git("stash", "pop", check=False)
        else:
            commit("own")
            git(way, "release", check=False)
        assert "<<<<<<<" in PARAMS.read_text(), "the case has no conflict"

    return make


@pytest.mark.parametrize("way", ["stash", "merge", "rebase"])
def test_a_conflict_ends_with_the_new_text_and_one_s_own_values(way, upgraded):
    upgraded(way)
    told = carry_over()
    params = load_params()
    assert (params.model.student, params.profile) == ("org/mine", "mine")
    assert params.training.epochs == 4, "of the release's profile"
    assert "# the model" in PARAMS.read_text(), "comments are the release's"
    assert next(line for line in told if "left out" in line).startswith("validity_of_old.judge: True is left out: ")
    assert carry_over() == []


def test_a_file_from_before_profiles_keeps_all_of_its_values(upgraded):
    upgraded("merge", "# none:")
    assert "training.epochs: 9 is carried over" in carry_over()
    assert load_params().profile == "nano"


def test_a_removed_parameter_is_named_with_its_replacement(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    PARAMS.write_text(NEW)
    git("add", ".")
    commit("new")
    own = NEW.replace("\npairs:\n", "\npairs:\n  near_duplicate: 0.9\n").replace("nanolab #", "org/mine #", 1)
    PARAMS.write_text(own.replace("\ntraining:\n", "\ntraining:\n  learning_rate: 0.1\n  alpha: 2.0\n"))
    assert carry_over() == [
        "model.student: org/mine is carried over",
        "pairs.near_duplicate: 0.9 is left out: use datasketch, on your problems before they are ingested",
        "training.learning_rate: 0.1 is left out: use the lines of training.objectives",
        "training.alpha: 2.0 is carried over",
    ]
    assert {line.alpha for line in load_params().training.objectives.values()} == {None, 2.0}
    assert load_params().model.student == "org/mine"


def test_a_file_that_git_does_not_know_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PARAMS.write_text("model: [")
    with pytest.raises(InputError):
        carry_over()
    assert PARAMS.read_text() == "model: ["
    assert [path.name for path in Path().iterdir()] == ["params.yaml"]
