"""Process limits of a program that may have processes; the supervisor, which may not be on Linux, names them too."""

import os

MAX_PROCESSES = max(64, 2 * (os.cpu_count() or 1) + 16)
"""Processes of a program at a time: room for a pool with one process per CPU."""
MAX_THREADS = 16 * MAX_PROCESSES
"""Threads of all of them at a time; counted at every look, since threads are not announced."""
