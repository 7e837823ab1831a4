# verdict: exception
# must not: be reported as a fault of the engine
class MissingPackageError(Exception):
    pass


def f(x):
    raise MissingPackageError("not mine")
