"""Settings that tests of several stages share; what a test needs otherwise it changes with `model_copy`."""

from iterpref_core.config import ExecutionParams

EXECUTION = ExecutionParams(
    cpu_s=2,
    wall_s=20,
    memory_mb=256,
    output_kb=64,
    file_mb=1,
    engine="local",
    workers=2,
    allow_unsafe=False,
    environments={},
)
"""For small programs: they take milliseconds, and the limit of real time has room for a busy machine."""
