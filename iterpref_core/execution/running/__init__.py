"""Running: engines that take programs, and the isolated worker processes of this machine."""
