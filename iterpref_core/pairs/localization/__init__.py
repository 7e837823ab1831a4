"""Mark the error region of the failing program of a pair, as character spans (arXiv 2503.02783, section 3.2).

Stage `localization`; `localization.localize_pairs` is the entry point, with the policy for fixes that only insert.
`line_lcs` is the paper's method.
"""
