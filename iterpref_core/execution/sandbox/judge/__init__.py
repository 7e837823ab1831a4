"""Judged programs: a judge, the program beside it, and the connection between them."""
