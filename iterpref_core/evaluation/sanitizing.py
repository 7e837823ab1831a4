"""Sanitizing: programs taken out of models' answers by a benchmark's own `sanitize`.

It parses what a model wrote, so it runs where such programs run.
"""

from collections.abc import Sequence

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
    environment = None if python is None else _NAME

    def sanitize(answer: tuple[str, str]) -> str:
        calls = (ValueTest("sanitize", answer),)
        values, _ = executor.call(Program(f"from {module} import sanitize", calls, environment=environment))
        return values[0] if values and isinstance(values[0], str) else answer[0]

    programs = []
    with (
        Executor(
            Limits(cpu_s=_CPU_S, wall_s=2 * _CPU_S, memory_mb=4096),
            workers=execution.workers,
            allow_unsafe=execution.allow_unsafe,
            preload=() if python else (module,),
            environments={_NAME: Environment(str(python), preload=(module,))} if python else {},
        ) as executor,
        show_progress(what, len(texts)) as advance,
    ):
        for _, code in executor.each(texts, sanitize):
            programs.append(code)
            advance(1)
    return programs
