# verdict: wrong_answer|exception|tampered|exited_early
# must not: pass by builtins that say yes
import builtins

builtins.isinstance = lambda *args: True
builtins.all = lambda *args: True
builtins.len = lambda *args: 2
builtins.AssertionError = type("AssertionError", (Exception,), {})


def f(x):
    return 0
