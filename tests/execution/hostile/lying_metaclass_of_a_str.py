# verdict: bad_return_type
# must not: pose as str by the equality and hash of its class
class Meta(type):
    def __eq__(cls, other):
        return True

    def __hash__(cls):
        return hash(str)


class Fake(str, metaclass=Meta):
    pass


def f(x):
    return [Fake("4")]
