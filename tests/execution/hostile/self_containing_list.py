# verdict: bad_return_type
# must not: exhaust the stack of the supervisor
def f(x):
    loop = []
    loop.append(loop)
    return loop
