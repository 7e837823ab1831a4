# verdict: bad_return_type
# must not: be taken for the expected value
class Liar:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None


def f(x):
    return Liar()
