"""Limits of a program's processes and threads; the supervisor, which may not be on Linux, names them too."""

import os

MAX_PROCESSES = max(64, 2 * (os.cpu_count() or 1) + 16)
"""Processes at a time of a program that may have some: room for a pool with one process per CPU."""
MAX_THREADS = 16 * MAX_PROCESSES
"""Threads of a program at a time, those of all of its processes together. They are counted at every look."""
