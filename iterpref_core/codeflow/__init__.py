"""CodeFlow: draft a program, execute it, refine it from the feedback until it passes (arXiv 2503.02783, section 3.1).

Stage `codeflow`; `codeflow.run_codeflow` is the entry point. `conversation` is one problem's state machine,
`batched_rounds` runs many on a local model and `stream` many at an endpoint, `rollouts` lets a killed run resume.
`draft_sampling` draws many drafts instead, and `source_comparison` compares the two.
"""
