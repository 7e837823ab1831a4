"""What is told of trajectories of which no pair came: counts by hand, and parameters that exist."""

import re
from collections.abc import Sequence

from iterpref_core.config import load_params
from iterpref_core.pairs import trajectory_survey
from iterpref_core.pairs.pairs import DROPPED
from iterpref_core.pairs.trajectory_survey import TrajectorySurvey
from iterpref_core.records import Attempt, Trajectory, Verdict
from tests.settings import ROOT

GOOD, PROSE = "def f():\n    return 1\n", "I would use a loop."


def surveyed(*versions: Sequence[tuple[str, Verdict]], refused: int | None = None) -> TrajectorySurvey:
    survey = TrajectorySurvey()
    trajectories = [
        Trajectory(
            task_id=f"t{number}",
            solved=False,
            refused=refused,
            attempts=tuple(
                Attempt(iteration=i, code=code, verdict=verdict, feedback="", prompt_tokens=1, completion_tokens=1)
                for i, (code, verdict) in enumerate(attempts)
            ),
        )
        for number, attempts in enumerate(versions)
    ]
    assert list(survey.watch(trajectories)) == trajectories
    return survey


def test_the_commonest_reason_comes_first_with_what_versions_failed_by() -> None:
    failing: list[tuple[str, Verdict]] = [(GOOD, "timeout"), (GOOD, "wrong_answer"), (GOOD, "timeout")]
    survey = surveyed(failing, failing, [(GOOD, "passed")])
    assert survey.explain_none({"too_long": 0, "solved_by_draft": 1, "unsolved": 2}).splitlines() == [
        "of 3 problems none gave a pair: unsolved 2, solved_by_draft 1",
        "  versions failed by timeout 4, wrong_answer 2",
        f"  unsolved: {trajectory_survey._REMEDIES['unsolved']}",
        f"  solved_by_draft: {trajectory_survey._REMEDIES['solved_by_draft']}",
    ]


def test_prose_is_told_of_where_it_is_more_than_a_tenth_of_the_answers() -> None:
    survey = surveyed([(PROSE, "syntax_error"), ("", "exception"), (GOOD, "passed")])
    assert survey.explain_prose().startswith(
        f"1 of 1 first and 1 of 2 later answers hold no program; one begins {PROSE!r}: name models that follow "
    )
    assert surveyed([("", "exception")]).explain_prose().startswith("1 of 1 first and 0 of 0 later")
    assert surveyed([(PROSE, "syntax_error"), *[(GOOD, "timeout")] * 9]).explain_prose() == ""
    assert surveyed([("def f(:", "syntax_error")]).explain_prose() == "", "a program, if a broken one"


def test_refusals_and_the_lack_of_any_trajectory_are_named() -> None:
    assert "2 prompts were refused by the model's server" in surveyed((), (), refused=1).explain_none({"unsolved": 2})
    assert surveyed().explain_none({}) == "there is no trajectory; debug some problems first"


def test_every_reason_and_parameter_that_is_named_exists() -> None:
    remedies = trajectory_survey._REMEDIES
    assert remedies.keys() <= set(DROPPED)
    params = load_params(ROOT / "params.yaml").model_dump()
    advice = " ".join([*remedies.values(), surveyed([(PROSE, "syntax_error")]).explain_prose()])
    named = re.findall(r"\b(model|codeflow|pairs)\.(\w+)", advice)
    assert len(named) > 8
    assert all(key in params[section] for section, key in named)
