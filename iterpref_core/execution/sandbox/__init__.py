"""Sandbox code: the zygote and its children. Standard library only; imports nothing else of the project.

These modules are loaded twice: by the zygote, from this folder alone, and (the encoding, the probes' layers) by the
supervisor. The zygote shares no memory with the supervisor.

`zygote` and `canary` are started as programs. `harness` runs the tests that need no judge beside the program; `judged`
has the others. `confinement` holds all children to their limits.
"""
