"""Limits of a program's processes and threads; the supervisor, which may not be on Linux, names them too."""

import os

MAX_PROCESSES = max(64, 2 * (os.cpu_count() or 1) + 16)
"""Processes at a time of a program that may have some: room for a pool with one process per CPU."""
MAX_THREADS = 16 * MAX_PROCESSES
"""Threads of all of them at a time; counted at every look, since threads are not announced."""
MAX_OWN_THREADS = 64
"""Threads at a time, besides the first, of a program that may have no other process. Each one is announced."""
