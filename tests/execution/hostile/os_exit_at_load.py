# verdict: exited_early
# must not: be taken for a success
import os

os._exit(0)
