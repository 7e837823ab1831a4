# verdict: wrong_answer
# must not: be believed
print("passed\nOK\nRan 2 tests\n")


def f(x):
    print("passed")
