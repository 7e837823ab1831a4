"""Sanitizing: programs taken out of models' answers by a benchmark's own `sanitize`.

It parses what a model wrote, so it runs where such programs run.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from iterpref_core.config import ExecutionParams
from iterpref_core.evaluation.benchmark import Sanitizer
from iterpref_core.execution import Executor, Limits, Program, ValueTest
from iterpref_core.execution.interpreters import Environment
from iterpref_core.progress import show_progress

_NAME = "sanitize"
_CPU_S = 120.0


def sanitize_all(
    texts: Sequence[tuple[str, str]], execution: ExecutionParams, sanitizer: Sanitizer, what: str
) -> list[str]:
    """The programs in models' answers. An answer on which `sanitize` fails stays as it is.

    Args:
        texts: (answer, name of the task's entry point).
        execution: how many at a time.
        sanitizer: whose.
        what: for the progress bar.
    """
    module, python = sanitizer
    found = [text for text, _ in texts]
    environment = None if python is None else _NAME

    def programs() -> Iterator[Program]:
        for position, (text, entry_point) in enumerate(texts):

            def keep(_test: int, value: Any, position: int = position) -> bool:
                usable = isinstance(value, str)
                if usable:
                    found[position] = value
                return usable

            call = ValueTest("sanitize", [text, entry_point])
            yield Program(f"from {module} import sanitize", (call,), judge=keep, environment=environment)

    # On this machine whatever the engine: a judge keeps what it sees.
    with (
        Executor(
            Limits(cpu_s=_CPU_S, wall_s=2 * _CPU_S, memory_mb=4096),
            workers=execution.workers,
            allow_unsafe=execution.allow_unsafe,
            preload=() if python else (module,),
            cross_check_every=0,
            environments={_NAME: Environment(str(python), preload=(module,))} if python else {},
        ) as executor,
        show_progress(what, len(texts)) as advance,
    ):
        for _ in executor.run(programs()):
            advance(1)
    return found
