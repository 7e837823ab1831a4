"""Right programs pass, and wrong ones do not, as plain Python says: one that lies passes inside alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from iterpref_core.execution import Executor, Limits, Outcome, Program
from iterpref_core.records import AssertTest, PytestTest, ScriptTest, Test, UnittestTest
from tests.execution.tiers import tiers
from tests.execution.verdicts.plain_python import passes
from tests.execution.verdicts.programs import CASES, Case

pytestmark = pytest.mark.named_tier

LIMITS = Limits(cpu_s=5, wall_s=60, memory_mb=512, file_mb=4)
KINDS = {"assert": AssertTest, "unittest": UnittestTest, "pytest": PytestTest}
RIGHT = [name for name, case in CASES.items() if case.right]
WRONG = [name for name, case in CASES.items() if case.wrong]


def sources(case: Case) -> tuple[str, ...]:
    return (case.test,) if isinstance(case.test, str) else case.test


def records_of(case: Case) -> tuple[Test, ...]:
    if case.kind == "script":
        return tuple(ScriptTest(module="solution", files={"t.py": source}, run="t.py") for source in sources(case))
    return tuple(KINDS[case.kind](code=source) for source in sources(case))


@pytest.fixture(scope="module")
def plain() -> dict[tuple[str, bool], bool]:
    """Say by name of a case, and whether its program is the right one, what plain Python says."""
    asked = [(name, right) for names, right in ((RIGHT, True), (WRONG, False)) for name in names]
    questions = [
        (case.kind, case.setup, case.right if right else case.wrong, sources(case))
        for name, right in asked
        for case in [CASES[name]]
    ]
    return dict(zip(asked, passes(questions), strict=True))


@pytest.fixture(scope="module", params=tiers("verdicts"))
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, bool], Outcome]]:
    with Executor(LIMITS, workers=2, namespaces=request.param == "A") as executor, ThreadPoolExecutor(2) as threads:

        def run(asked: tuple[str, bool]) -> Outcome:
            case = CASES[asked[0]]
            return executor.run_one(Program(case.right if asked[1] else case.wrong, records_of(case), case.setup))

        asked = [*((name, True) for name in RIGHT), *((name, False) for name in WRONG)]
        yield dict(zip(asked, threads.map(run, asked), strict=True))


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_passes(
    plain: dict[tuple[str, bool], bool], outcomes: dict[tuple[str, bool], Outcome], name: str
) -> None:
    assert plain[name, True], "the case itself is wrong"
    outcome = outcomes[name, True]
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_does_not_pass_but_for_a_lie_inside(
    plain: dict[tuple[str, bool], bool], outcomes: dict[tuple[str, bool], Outcome], name: str
) -> None:
    outcome = outcomes[name, False]
    assert outcome.verdict != "infra_error", outcome.feedback
    believed = plain[name, False] and outcome.inside > 0
    assert outcome.verdict != "passed" or believed, outcome
