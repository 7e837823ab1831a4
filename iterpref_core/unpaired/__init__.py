"""Files of single programs that pass or fail, made of CodeFlow's trajectories, for `train --objective kto`."""
