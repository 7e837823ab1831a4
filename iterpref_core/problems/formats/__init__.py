"""File formats of problems and of pairs, one module each; `ingest` checks what they yield."""
