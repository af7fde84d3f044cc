"""Read Dagster's event log. Its private parts are used in this package only."""
