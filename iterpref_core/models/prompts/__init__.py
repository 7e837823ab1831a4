"""Fill text files of prompts, word CodeFlow's requests, and ask for answers of a stated form."""
