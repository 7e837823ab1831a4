"""The C library, for system calls that Python has no functions for; `ctypes.get_errno` says why one failed."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
