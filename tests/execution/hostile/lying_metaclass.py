# verdict: bad_return_type
# must not: pose as int by its class
class Meta(type):
    def __eq__(cls, other):
        return True

    def __hash__(cls):
        return hash(int)

    __name__ = "int"


class Fake(metaclass=Meta):
    @property
    def __class__(self):
        return int


def f(x):
    return Fake()
