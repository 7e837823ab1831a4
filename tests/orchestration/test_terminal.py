"""What a run prints: lines where it is no terminal, bars where it is one, and a warning once."""

import io
import logging
import subprocess
import sys

import pytest

from iterpref_core.progress import tell_watchers
from tasks.orchestration.child_output import ChildOutput
from tasks.orchestration.terminal import running, shown_lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def logger() -> logging.Logger:
    logger = logging.getLogger("of a test")
    logger.setLevel(logging.INFO)
    return logger


def show(stream: io.StringIO, logger: logging.Logger) -> str:
    with shown_lines(stream, logger):
        with running("nanolab"):
            logger.info("a line")
            logger.info("student: 10/75 steps", extra={"progress": True})
            tell_watchers("nanolab: student", 10, 75)
            if stream.isatty():
                assert [task.completed for task in logger.handlers[0].bars.tasks] == [10]  # type: ignore[attr-defined]
        if stream.isatty():
            assert not logger.handlers[0].bars.tasks, "the bar goes when the stage ends"  # type: ignore[attr-defined]
    return stream.getvalue()


def test_a_log_has_lines_and_nothing_else(logger: logging.Logger) -> None:
    lines = [line.partition(" ")[2] for line in show(io.StringIO(), logger).splitlines()]
    assert lines == ["a line", "student: 10/75 steps"]


def test_a_terminal_has_a_bar_for_each_running_stage_below_the_lines(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown = show(Terminal(), logger)
    assert "a line" in shown
    assert "nanolab" in shown
    assert "10/75 steps" not in shown, "the bar says it"


def test_what_two_stages_warn_of_is_told_once_and_progress_is_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    program = "print('13:35:29.681 | WARNING | some.module - no data; set DATA'); print('heldout: score: 5/9')"
    warned: set[str] = set()
    caplog.set_level(logging.INFO, logger="iterpref.run")
    logging.getLogger("iterpref.run").addHandler(
        caplog.handler
    )  # a flow in this process may have kept it from the root
    try:
        for stage in ("evaluation@base", "evaluation@sft"):
            with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
                output = ChildOutput(stage, child, warned)
                output.start()
                output.join()
            assert "no data" in output.tail(), "an error message still has its last lines"
    finally:
        logging.getLogger("iterpref.run").removeHandler(caplog.handler)
    told = {record.getMessage(): hasattr(record, "progress") for record in caplog.records}
    assert told == {
        f"{'evaluation@base':<19} warning: no data; set DATA": False,
        f"{'evaluation@base':<19} heldout: score: 5/9": True,
        f"{'evaluation@sft':<19} heldout: score: 5/9": True,
    }
