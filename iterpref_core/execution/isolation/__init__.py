"""Isolation: the tiers of this machine, and the limits on files, system calls, processes, time and memory.

It knows no test. `probes` is started as a program.
"""
