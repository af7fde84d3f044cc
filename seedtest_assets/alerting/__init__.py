"""Who is told of what goes wrong: incidents found in Dagster's log, an outbox in PostgreSQL, channels through Apprise."""
