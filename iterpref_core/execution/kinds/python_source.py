"""Python source: the base of the kinds whose record is one source, which tests the solution."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .kind import Kind, Step

if TYPE_CHECKING:
    from ..comparison.expectations import Expected


class PythonSource(Kind):
    """A kind of test whose body is its source, in the record's field `code`."""

    def step(self, test: Any, compared: "Expected | None") -> Step:
        """Return the step of a test."""
        del compared
        return Step(self, test.code, lambda: str(test.code))

    def sources(self, test: Any) -> Sequence[str]:
        """Return the source."""
        return [test.code]

    def packages(self, test: Any) -> Sequence[str]:
        """Return what the source imports."""
        from iterpref_core.execution.kinds.outside import packages_of

        return packages_of(test.code)

    def why_inside(self, test: Any, setup: str) -> str:
        """Return what the source uses that a judge beside the program has not."""
        from iterpref_core.execution.kinds.outside import why_inside

        return why_inside(test.code, setup=setup)

    def counter_test(self, test: Any) -> tuple[Any, bool]:
        """Return the source with other expectations."""
        from iterpref_core.execution.kinds.counter_test import counter_test

        changed = counter_test(test.code)
        return test.model_copy(update={"code": changed.source}), changed.decides

    def uses_pytest(self, step: Step) -> bool:
        """Tell whether the source names pytest."""
        return "pytest" in step.source
