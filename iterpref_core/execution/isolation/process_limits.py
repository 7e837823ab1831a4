"""Limit the processes and threads of a program. The supervisor shows these limits, also where it is not on Linux."""

import os

MAX_PROCESSES = max(64, 2 * (os.cpu_count() or 1) + 16)
"""Processes that a program may have at a time, if it may have any: room for a pool with one process for each CPU."""
MAX_THREADS = 16 * MAX_PROCESSES
"""Threads that all processes of a program may have together, counted at every look."""
