"""Run programs in the sandbox, in a zygote and its children, which import only the standard library and `isolation`.

The zygote loads these modules under another package name, in an interpreter of its own. The supervisor also loads some,
such as the encoding of values.

`zygote` is started as a program. `forked_program` runs a program and its tests; `runners` runs tests inside.
"""
