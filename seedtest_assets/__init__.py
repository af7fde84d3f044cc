"""Nightly item response theory for a testing platform, as a Dagster asset graph."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "__version__":  # looked up where it is needed: it costs more than all else that `seedtest --help` does
        from importlib.metadata import version

        return version("seedtest-assets")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
