"""Library for scripts with trainers of TRL: a collator that counts error regions."""
