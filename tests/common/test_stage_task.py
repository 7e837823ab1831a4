"""A stage's task is a plain function where no flow runs."""

import os
import subprocess
import sys

from tasks.common.stage_task import stage_task


def test_outside_of_a_flow_it_is_the_function() -> None:
    @stage_task
    def double(value: int) -> int:
        """Twice the value."""
        return 2 * value

    assert double(21) == 42
    assert double.__name__ == "double"


def test_no_server_is_started_for_it() -> None:
    """A Prefect task called outside of a flow would start a temporary server, also where Prefect is imported."""
    program = (
        "from tasks.common.stage_task import stage_task\n"
        "@stage_task\n"
        "def f(): return 'ran'\n"
        "import sys; print(f(), 'prefect' in sys.modules)\n"
        "import prefect.context; print(f(), 'uvicorn' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["ran", "False", "ran", "False"]
