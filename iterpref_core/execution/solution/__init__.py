"""Run the solution in its own process, as a module that tests call or as a script on a console."""
