"""The executor of a file of tests, with the file's own `LIMITS`."""

import pytest

from iterpref_core.execution import Executor, Limits


@pytest.fixture(scope="module")
def executor(request):
    with Executor(getattr(request.module, "LIMITS", Limits(cpu_s=2, wall_s=20)), workers=2) as executor:
        yield executor
