"""CodeFlow, the draft-execute-refine loop, and the preference pairs that its trajectories give.

`conversation` is one problem's state machine, `driver` runs many at once, `journal` lets a killed run resume,
`codeflow` is the stage. `sampling` draws many drafts instead, `answers` keeps them, and `calls` compares the two.
`pairs` selects pairs and `filters` says which are dropped, and why.
"""
