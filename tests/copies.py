"""Tests run in copies of one process, which has loaded the libraries and collected the tests once for all of them.

`pytest -p tests.copies --copies 3` forks three times after the collection. The tests of a file, or those marked
`together` with the same name, share what they make, and run in one copy.
"""

import importlib
import os
from multiprocessing import Pipe, get_context
from multiprocessing.connection import wait

import dvc  # noqa: F401 - it logs to the streams that are there when it is imported; those of a test would be closed
import pytest

LIBRARIES = ("dvc.repo", "evalplus.eval", "mlflow", "openai", "prefect")
"""What tests of several rooms import in functions, and is loaded once if most tests run."""


def pytest_addoption(parser):
    """Add the option."""
    parser.addoption("--copies", type=int, default=0, help="run the tests in this many copies of the process")


class Reports:
    """Sends what happens in a copy to the process that prints it."""

    def __init__(self, config, link):
        self._config, self._link = config, link

    def pytest_runtest_logstart(self, nodeid):
        """Send the name of a test that begins."""
        self._link.send(nodeid)

    def pytest_runtest_logreport(self, report):
        """Send a report."""
        self._link.send(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))


def run_copy(session, groups, queue, link):
    """Run groups of tests as long as there are some in the queue, with own temporary folders and nothing printed."""
    config = session.config
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    factory = config._tmp_path_factory
    factory._basetemp = factory.getbasetemp() / f"copy-{os.getpid()}"
    factory._basetemp.mkdir(mode=0o700)
    os.environ["PREFECT_HOME"] = str(factory.mktemp("prefect"))
    config.pluginmanager.register(Reports(config, link))
    config.pluginmanager.getplugin("capturemanager").start_global_capturing()

    def next_group():
        return groups[int.from_bytes(number)] if (number := os.read(queue, 2)) else []

    try:
        waiting = next_group()
        while waiting and not session.shouldfail:
            item = waiting.pop(0)
            waiting = waiting or next_group()
            config.hook.pytest_runtest_protocol(item=item, nextitem=waiting[0] if waiting else None)
    finally:
        session._setupstate.teardown_exact(None)
    link.send(None)


def start_copies(session, items):
    """Return the copies by what they send, and the queue of groups that they take."""
    named = {}
    for item in items:
        marker = item.get_closest_marker("together")
        named.setdefault(marker.args[0] if marker else item.path, []).append(item)
    queue, filled = os.pipe()
    os.write(filled, b"".join(number.to_bytes(2) for number in range(len(named))))
    os.close(filled)
    copies = {}
    for _ in range(min(session.config.option.copies, len(named))):
        ours, theirs = Pipe(duplex=False)
        copies[ours] = get_context("fork").Process(target=run_copy, args=(session, list(named.values()), queue, theirs))
        copies[ours].start()
        theirs.close()
    return copies, queue


def run_copies(session, items):
    """Run tests in copies, and return their names: a copy that dies leaves the others of its groups."""
    hook, ran, running = session.config.hook, set(), {}
    copies, queue = start_copies(session, items)
    while copies:
        for link in wait(copies):
            try:
                message = link.recv()
            except EOFError:
                copies[link].join()
                name, text = running[link], f"the process that ran it has ended with {copies[link].exitcode}"
                report = pytest.TestReport(name, (name.partition("::")[0], None, name), {}, "failed", text, "call")
                hook.pytest_runtest_logreport(report=report)
                message = None
            if message is None:
                copies.pop(link).join()
            elif isinstance(message, str):
                running[link] = message
                ran.add(message)
            else:
                report = hook.pytest_report_from_serializable(config=session.config, data=message)
                hook.pytest_runtest_logreport(report=report)
                if session.shouldfail:
                    os.read(queue, 1 << 16)  # no copy begins another group
    os.close(queue)
    return ran


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Run the tests in copies, if these are asked for."""
    options = session.config.option
    if not options.copies or options.collectonly or session.testsfailed:
        return None
    if len(session.items) > 2000:
        for name in LIBRARIES:
            importlib.import_module(name)
    session.config.pluginmanager.getplugin("capturemanager").stop_global_capturing()
    waiting = session.items
    while waiting and not session.shouldfail:
        ran = run_copies(session, waiting)
        waiting = [item for item in waiting if item.nodeid not in ran]
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True
