"""Write the report of the experiment: the summary, tables, pages, and pairs with their error region marked."""
