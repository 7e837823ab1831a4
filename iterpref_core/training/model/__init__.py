"""Model of a training: how it is held (`policy`), attends, scores labels (`label_head`) and its reference.

`parity` tries that on a probe pair. The training itself stands above.
"""
