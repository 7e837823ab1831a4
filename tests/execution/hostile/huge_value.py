# verdict: wrong_answer|exited_early|memory|exception|output_limit
# tests: io
# must not: fill the memory of the supervisor
def f(x):
    return ["x" * 1000] * 20_000
