# verdict: wrong_answer|exception
# must not: import from a folder it wrote, for the next job
import os
import sys

os.makedirs("numpy", exist_ok=True)
open("numpy/__init__.py", "w").write("raise SystemExit(0)")
sys.path.insert(0, os.getcwd())


def f(x):
    return 0
