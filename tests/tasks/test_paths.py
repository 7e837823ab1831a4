"""Paths: the checkout to which a run belongs, whatever DVC says in the environment."""

from tasks.paths import home


def test_a_stage_of_a_project_around_this_one_does_not_make_that_the_checkout(tmp_path, monkeypatch):
    """DVC tells each stage its project. Records, and answers that were paid for, went there."""
    places = {
        "outer/inner": False,
        "outer": False,
        "outer/.iterpref/worktrees/0123abc": True,
        "outer/.iterpref/worktrees/0123abc/team/project": True,
        "outer/.dvc/tmp/exps/tmp1": True,
        "elsewhere": False,
    }
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "outer"))
    for place, is_of_outer in places.items():
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(tmp_path / place)
        assert home().resolve() == (tmp_path / "outer" if is_of_outer else tmp_path / place), place
