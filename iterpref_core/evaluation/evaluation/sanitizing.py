"""Take programs out of models' answers by a benchmark's own `sanitize`.

A sanitizer parses a model's text, so it runs in the sandbox. EvalPlus's tries all pairs of a first and a last line: its
time grows faster than the square of the lines: it takes 0.2 s of CPU for 100 lines of prose, 3.4 s for 300 and
7.4 s for 400 (code: 0.3, 7.5 and 19 s). Longer answers are read by this project's own rule, and counted.
"""

from collections.abc import Sequence

from iterpref_core.execution import Executor, Limits, Program, ValueTest
from iterpref_core.execution.isolation.interpreters import Environment
from iterpref_core.records import ExecutionParams
from iterpref_core.storage.progress import watch

from ..benchmarks.benchmark import Sanitizer

MAX_LINES = 300
"""Lines of an answer that is given to a benchmark's `sanitize`."""
_NAME = "sanitize"
_CPU_S = 60.0
"""CPU seconds for one answer. Only one with very long lines takes them."""


def sanitize_all(
    texts: Sequence[tuple[str, str]],
    execution: ExecutionParams,
    sanitizer: Sanitizer,
    label: str,
) -> list[str | None]:
    """Return the program in each of the models' answers; None for an answer that the sanitizer does not read.

    Args:
        texts: (answer, name of the task's entry point).
        execution: how many at a time.
        sanitizer: the benchmark's own.
        label: for the progress bar.
    """
    module, python = sanitizer
    environment = None if python is None else _NAME

    def sanitize(answer: tuple[str, str]) -> str | None:
        text, _ = answer
        if text.count("\n") >= MAX_LINES:
            return None
        program = Program(
            code=f"from {module} import sanitize",
            tests=(ValueTest("sanitize", answer),),
            environment=environment,
        )
        values, _ = executor.call(program)
        if not values or not isinstance(values[0], str):
            return None
        return values[0]

    with Executor(
        Limits(cpu_s=_CPU_S, wall_s=2 * _CPU_S, memory_mb=4096),
        workers=execution.workers,
        allow_unsafe=execution.allow_unsafe,
        preload=() if python else (module,),
        environments={_NAME: Environment(str(python), preload=(module,))} if python else {},
    ) as executor:
        return [program for _, program in watch(label, len(texts), executor.each(texts, sanitize))]
