"""Where the error is: from a pair of programs to character spans in the failing one.

`line_lcs` is the paper's method on two texts; `localize` is the stage, with the policy for fixes that only insert.
"""
