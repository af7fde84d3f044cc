"""`seedtest doctor`: whether everything is ready for a night, and the SQL that would make it so."""
