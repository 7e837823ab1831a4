"""Model of a training: how it is held (`policy`), attends, scores labels (`label_head`) and its reference.

`exactness` tries that on a made-up pair, and `estimate` counts memory and hours. The training itself stands above.
"""
