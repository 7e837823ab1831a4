# verdict: bad_return_type
# must not: hide a subclass deeper in a value
class Any(list):
    def __eq__(self, other):
        return True


def f(x):
    return (Any(),)
