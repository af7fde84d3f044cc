"""Attempt sources, the lake, and the PostgreSQL tables; no Dagster in here."""
