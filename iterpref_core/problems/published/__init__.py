"""What the formats of published problem sets share: how a row becomes a problem with the programs that it brings."""
