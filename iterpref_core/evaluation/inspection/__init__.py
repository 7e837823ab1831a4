"""Looking at pairs and results in the terminal: error regions, shifts of log-probabilities, the table of scores."""
