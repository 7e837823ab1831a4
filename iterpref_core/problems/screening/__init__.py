"""Screen pairs and problems for overlap with benchmarks, and problems for repetitions."""
