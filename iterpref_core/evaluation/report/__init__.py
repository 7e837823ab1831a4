"""Write the report of the experiment, with the summary, tables, pages, and pairs with their error region marked."""
