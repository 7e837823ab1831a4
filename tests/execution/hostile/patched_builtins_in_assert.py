# verdict: wrong_answer|exception|tampered|exited_early
# tests: assert
# must not: pass by builtins that say yes
import builtins

builtins.isinstance = lambda *args: True
builtins.all = lambda *args: True
builtins.exec = lambda *args: None
builtins.eval = lambda *args: 4
builtins.compile = lambda *args, **kwargs: "0"


def f(x):
    return 0
