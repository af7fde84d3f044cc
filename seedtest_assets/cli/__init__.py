"""`seedtest …`: app.py has the commands' names, each module beside it a group of commands."""
