"""Plan the steps of tests, and decide the verdicts on the reports about them."""
