"""Confinement: the limits on files, system calls, processes, time and memory that hold a program."""
