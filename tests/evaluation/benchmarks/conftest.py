"""The small benchmarks of the tests of evaluation, and workers that the tests of a file share."""

from tests.evaluation.evaluation.conftest import evalplus_slice, execution, problems, setting
from tests.shared_workers import shared_workers

__all__ = ["evalplus_slice", "execution", "problems", "setting", "shared_workers"]
