"""What a study chose is read back only as it was committed."""

import subprocess
from pathlib import Path

import pytest

from iterpref_core.errors import InputError
from tasks.grids.study import Configuration, StudyChoice, Tried
from tasks.grids.study_choices import add_choice, load_choices, read_choices, write_choices

CHOICE = StudyChoice(
    regime="scratch", pairs=9, rounds=0, start=0.3, tried=[],
    chosen={"SFT": Configuration(learning_rate=1e-4, alpha=1, beta=1, epochs=2)},
)  # fmt: skip


SETTING = CHOICE.chosen["SFT"]


def _git(folder: Path, *arguments: str) -> str:
    names = "-c", "user.name=t", "-c", "user.email=t@localhost"
    done = subprocess.run(["git", *names, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    """A file of choices that is committed."""
    path = tmp_path / "chosen.json"
    write_choices(path, [CHOICE])
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", "--all")
    _git(tmp_path, "commit", "--quiet", "--message", "chosen")
    return path


def test_they_come_back_with_their_commit(chosen: Path) -> None:
    commit = _git(chosen.parent, "rev-parse", "HEAD")
    (chosen.parent / "other").write_text("later")
    _git(chosen.parent, "add", "--all")
    _git(chosen.parent, "commit", "--quiet", "--message", "other")
    assert read_choices(chosen, ["scratch"]) == ({"scratch": CHOICE}, commit)


def test_a_change_that_no_commit_has_is_refused(chosen: Path) -> None:
    write_choices(chosen, [CHOICE.model_copy(update={"start": 0.9})])
    with pytest.raises(InputError, match=r"chosen\.json: is not committed as it stands; commit it first"):
        read_choices(chosen, ["scratch"])


def test_a_file_outside_of_a_repository_is_refused(tmp_path: Path) -> None:
    write_choices(tmp_path / "chosen.json", [CHOICE])
    with pytest.raises(InputError, match="is not committed"):
        read_choices(tmp_path / "chosen.json", ["scratch"])


@pytest.mark.parametrize(("text", "message"), [("{", "no configurations of a study"), ("[]", "nothing was chosen for")])
def test_another_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "chosen.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_choices(path, ["scratch"])


def test_a_method_that_nothing_was_chosen_for_is_refused_by_name(chosen: Path) -> None:
    assert read_choices(chosen, ["scratch"], ["SFT"])
    with pytest.raises(InputError, match="in scratch nothing was chosen for RPO; others are named by --method"):
        read_choices(chosen, ["scratch"], ["SFT", "RPO"])


def test_a_method_that_the_study_has_no_more_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "chosen.json"
    write_choices(path, [CHOICE.model_copy(update={"chosen": CHOICE.chosen | {"SFT, old": SETTING}})])
    with pytest.raises(InputError, match=r"in scratch .* chosen for SFT, old, which the study does not have"):
        read_choices(path, ["scratch"])


def test_what_was_chosen_before_stays(tmp_path: Path) -> None:
    assert load_choices(tmp_path / "chosen.json") == {}
    dpo = CHOICE.model_copy(
        update={"tried": [Tried(label="DPO", setting=SETTING, pass_at_1=0.1)], "chosen": {"DPO": SETTING}}
    )
    path = tmp_path / "chosen.json"
    kept = add_choice(path, add_choice(path, {"habits": CHOICE}, CHOICE), dpo)
    assert kept["habits"] == CHOICE
    assert kept["scratch"].chosen == CHOICE.chosen | dpo.chosen
    again = dpo.model_copy(update={"tried": [Tried(label="DPO", setting=SETTING, pass_at_1=0.2)]})
    assert [one.pass_at_1 for one in add_choice(path, kept, again)["scratch"].tried] == [0.2], "a method is tuned anew"


def test_choices_from_different_starts_are_not_mixed(tmp_path: Path) -> None:
    path, moved = tmp_path / "chosen.json", CHOICE.model_copy(update={"pairs": 8, "start": 0.4})
    assert add_choice(path, {"scratch": CHOICE}, moved) == {"scratch": moved}, "all of it is tuned anew"
    more = CHOICE.model_copy(update={"chosen": CHOICE.chosen | {"DPO": SETTING}})
    with pytest.raises(InputError, match=r"scratch .* for DPO from another start \(9 pairs, 30\.0%; now 8, 40\.0%\)"):
        add_choice(path, {"scratch": more}, moved)
