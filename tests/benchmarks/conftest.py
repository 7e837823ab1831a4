"""The small benchmarks of the tests of evaluation."""

from tests.evaluation.conftest import evalplus_slice, execution, problems, setting

__all__ = ["evalplus_slice", "execution", "problems", "setting"]
