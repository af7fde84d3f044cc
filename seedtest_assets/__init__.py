"""Nightly item response theory for a testing platform, as a Dagster asset graph."""

__version__ = "0.2.0"
