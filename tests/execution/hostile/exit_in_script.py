# verdict: exited_early|wrong_answer
# tests: script
# must not: be taken for a success
import os

os._exit(0)
