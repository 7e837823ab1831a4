# verdict: bad_return_type|wrong_answer
# must not: exhaust the stack of the supervisor
def f(x):
    value = []
    for _ in range(100_000):
        value = [value]
    return value
