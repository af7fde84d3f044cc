"""Alerts: incidents found in Dagster's log, an outbox in PostgreSQL, channels through Apprise."""
