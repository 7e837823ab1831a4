"""Sandbox code: the zygote and its children. Standard library only; of the project, `isolation` and nothing else.

These modules are loaded twice: by the zygote, under a name of its own, and (the encoding, for one) by the supervisor.
The zygote shares no memory with the supervisor.

`zygote` is started as a program. `child` runs a program and its tests; `runners` has those that run inside.
"""
