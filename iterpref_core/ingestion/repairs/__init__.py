"""Repairs: rows of a buggy and a fixed program, under any names of columns, as pairs whose programs were judged."""
