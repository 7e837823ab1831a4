"""Both sides of a judged program, which a zygote imports when the first one comes."""

from . import judge, program

__all__ = ["judge", "program"]
