"""Give scripts with TRL's trainers a collator that counts error regions."""
