# verdict: exited_early
# tests: io
# must not: be taken for a success
import os

os._exit(0)
