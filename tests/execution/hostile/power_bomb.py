# verdict: timeout|memory|wrong_answer|exception
# tests: io
# must not: take the machine's memory
def f(x):
    return 9**9**9
