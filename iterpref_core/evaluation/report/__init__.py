"""Report of the experiment: the summary, the terminal's table, the page, and pairs with their error region marked."""
