"""The engine: which tasks run together, in which order, with how many cores, and what an interrupt ends."""

import threading

import pytest

from flows.scheduler import run_graph


@pytest.fixture(autouse=True)
def _no_number_of_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def run(upstream, jobs, failing="", together=1):
    """Return the tasks in the order in which they began, their cores, and their ends."""
    order = []
    cores = {}
    met = threading.Barrier(together)

    def work(name, share):
        order.append(name)
        cores[name] = share.get("OMP_NUM_THREADS", "")
        if name[0] == "t":
            met.wait(30)
        if name == failing:
            raise ValueError(name)
        return f"{name} done"

    return order, cores, run_graph(upstream, jobs, work, lambda: None)


def test_the_longest_chain_goes_first_and_then_the_order_of_the_graph():
    graph = {"leaf": (), "z": (), "a": (), "long": (), "middle": ("long",), "end": ("middle",)}
    order, _, futures = run(graph, 1)
    assert order == ["long", "middle", "leaf", "z", "a", "end"]
    assert {name: future.result() for name, future in futures.items()} == {name: f"{name} done" for name in graph}


def test_what_has_company_shares_the_cores_and_what_is_behind_a_failure_does_not_begin(monkeypatch):
    monkeypatch.setattr("flows.scheduler.usable_cores", lambda: 8)
    graph = {"problems": (), "t1": ("problems",), "t2": ("problems",), "report": ("t1", "t2")}
    order, cores, _ = run(graph, 2, together=2)
    assert (order[0], set(order[1:3]), order[3:]) == ("problems", {"t1", "t2"}, ["report"])
    assert cores == {"problems": "8", "t1": "4", "t2": "4", "report": "8"}
    _, _, futures = run(graph, 2, failing="t1", together=2)
    assert set(futures) == {"problems", "t1", "t2"}
    assert isinstance(futures["t1"].exception(), ValueError)


def test_a_number_of_threads_that_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    _, cores, _ = run({"problems": ()}, 1)
    assert cores == {"problems": ""}, "the stage inherits the user's"


def test_an_interrupt_ends_what_runs(monkeypatch):
    ended = threading.Event()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.scheduler.wait", interrupted)

    def work(_name, _share):
        return ended.wait(30)

    with pytest.raises(KeyboardInterrupt):
        run_graph({"a": (), "b": ("a",)}, 1, work, ended.set)
    assert ended.is_set()
