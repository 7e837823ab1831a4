"""Training on unpaired programs: KTO, whole and focal, inside the run that every training has.

`labeled_file` reads rows of a program and its label, `labeled_rows` makes tokens of them, and `kto.train_kto` trains a
model with TRL's `KTOTrainer`. `program_selection` makes such a file of CodeFlow's trajectories.
"""
