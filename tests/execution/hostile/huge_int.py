# verdict: wrong_answer
# tests: io
# must not: make the feedback huge or the supervisor fail
def f(x):
    return 10**100_000
