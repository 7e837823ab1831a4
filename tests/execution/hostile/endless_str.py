# verdict: timeout
# must not: hang the report
class Odd(Exception):
    def __str__(self):
        while True:
            pass


def f(x):
    raise Odd
