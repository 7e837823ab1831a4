"""Draft a program, run it, and refine it from the feedback until it passes (arXiv 2503.02783, section 3.1).

Stage `codeflow`; `codeflow.run_codeflow` is the entry point. `conversation` has the turns about one problem, and
`rollouts` runs many conversations at a time. Sampling, the baseline of Code-Optimise (arXiv 2406.12502), is several
conversations a problem without refinement.
"""
