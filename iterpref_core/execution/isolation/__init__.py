"""Isolate programs by this machine's tier and by limits on files, system calls, processes, time and memory.

These modules do not know about tests. `probes` is started as a program.
"""
