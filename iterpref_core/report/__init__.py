"""What the experiment showed: the summary, the terminal's table, the page, and pairs with their error region marked."""
