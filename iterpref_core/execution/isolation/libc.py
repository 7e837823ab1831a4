"""Load the C library, for system calls without a Python function; `ctypes.get_errno` has the error of a failed call."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
