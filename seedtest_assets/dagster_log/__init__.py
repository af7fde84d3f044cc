"""The only reader of Dagster's event log, and the only home of its private parts."""
