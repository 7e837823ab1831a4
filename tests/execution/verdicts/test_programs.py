"""Right programs pass, and wrong ones do not, as plain Python says: one that lies passes inside alone."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iterpref_core.execution import Executor, Limits, Outcome, Program
from iterpref_core.records import AssertTest, PytestTest, ScriptTest, Test, UnittestTest
from tests.execution.tiers import tiers
from tests.execution.verdicts.plain_python import passes
from tests.execution.verdicts.programs import CASES, Case
from tests.once import made_once

pytestmark = pytest.mark.named_tier

LIMITS = Limits(cpu_s=5, wall_s=60, memory_mb=512, file_mb=4)
KINDS: dict[str, Callable[..., Test]] = {"assert": AssertTest, "unittest": UnittestTest, "pytest": PytestTest}
ASKED = [(name, part) for name, case in CASES.items() for part in ("right", "wrong") if part in case.parts]
RIGHT = [name for name, part in ASKED if part == "right"]
WRONG = [name for name, part in ASKED if part == "wrong"]
Asked = tuple[str, str]
"""Name of a case, and the part that is its program."""


def records_of(case: Case) -> tuple[Test, ...]:
    if case.kind == "script":
        return tuple(ScriptTest(module="solution", files={"t.py": source}, run="t.py") for source in case.tests)
    return tuple(KINDS[case.kind](code=source) for source in case.tests)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[Asked, bool]:
    """Return what plain Python says, which is asked once for both tiers."""

    def ask(folder: Path) -> None:
        cases = [(CASES[name], part) for name, part in ASKED]
        said = passes([(case.kind, case.parts.get("setup", ""), case.parts[part], case.tests) for case, part in cases])
        (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")

    said = made_once(tmp_path_factory, "plain-python", ask) / "said.json"
    return dict(zip(ASKED, json.loads(said.read_text(encoding="utf-8")), strict=True))


@pytest.fixture(scope="module", params=tiers("verdicts"))
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[Asked, Outcome]]:
    with Executor(LIMITS, workers=2, namespaces=request.param == "A") as executor, ThreadPoolExecutor(2) as threads:

        def run(asked: Asked) -> Outcome:
            case = CASES[asked[0]]
            return executor.run_one(Program(case.parts[asked[1]], records_of(case), case.parts.get("setup", "")))

        yield dict(zip(ASKED, threads.map(run, ASKED), strict=True))


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_passes(plain: dict[Asked, bool], outcomes: dict[Asked, Outcome], name: str) -> None:
    assert plain[name, "right"], "the case itself is wrong"
    outcome = outcomes[name, "right"]
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_does_not_pass_but_for_a_lie_inside(
    plain: dict[Asked, bool], outcomes: dict[Asked, Outcome], name: str
) -> None:
    outcome = outcomes[name, "wrong"]
    assert outcome.verdict != "infra_error", outcome.feedback
    believed = plain[name, "wrong"] and outcome.inside > 0
    assert outcome.verdict != "passed" or believed, outcome
