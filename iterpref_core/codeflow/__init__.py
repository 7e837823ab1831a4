"""CodeFlow: draft a program, execute it, refine it from the feedback until it passes (arXiv 2503.02783, section 3.1).

Stage `codeflow`; `codeflow.run_codeflow` is the entry point. `conversation` is what is said about one problem, and
`rollouts` leads many of them. Sampling, the baseline of Code-Optimise (arXiv 2406.12502), is several conversations a
problem without refinement.
"""
