"""The engine: which tasks run together, in which order, and with how many cores."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest


class Task:
    """A future as Prefect's, of a task that ends well or not."""

    def __init__(self, future: "Future[bool]") -> None:
        self._future = future
        self.state = self
        self.wait = future.result
        self.add_done_callback = future.add_done_callback

    def is_completed(self) -> bool:
        return self._future.result()


def run(
    upstream: dict[str, tuple[str, ...]], jobs: int, failing: str = "", together: int = 1
) -> tuple[list[str], dict[str, str]]:
    """Return the tasks in the order in which they began, and their cores."""
    from flows.engine import run_graph

    order: list[str] = []
    cores: dict[str, str] = {}
    met = threading.Barrier(together)
    with ThreadPoolExecutor(8) as pool:

        def work(name: str) -> bool:
            if name[0] == "t":
                met.wait(30)
            return name != failing

        def submit(name: str, share: dict[str, str], ended: Any) -> Any:
            order.append(name)
            cores[name] = share["OMP_NUM_THREADS"]
            assert all(ended[before].state.is_completed() for before in upstream[name])
            return Task(pool.submit(work, name))

        run_graph(upstream, jobs, submit)
    return order, cores


def test_the_longest_chain_goes_first_and_then_the_order_of_the_graph() -> None:
    graph = {"leaf": (), "z": (), "a": (), "long": (), "middle": ("long",), "end": ("middle",)}
    order, _ = run(graph, 1)
    assert order == ["long", "middle", "leaf", "z", "a", "end"]


def test_what_has_company_shares_the_cores_and_what_is_behind_a_failure_does_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flows.engine.usable_cores", lambda: 8)
    graph = {"problems": (), "t1": ("problems",), "t2": ("problems",), "report": ("t1", "t2")}
    order, cores = run(graph, 2, together=2)
    assert order == ["problems", "t1", "t2", "report"]
    assert cores == {"problems": "8", "t1": "4", "t2": "4", "report": "8"}
    order, _ = run(graph, 2, failing="t1", together=2)
    assert order == ["problems", "t1", "t2"]
