"""Give memory that nothing uses any more back to the system."""

import ctypes

import pyarrow as pa


def give_back_memory() -> None:
    """Give back what Arrow and the C library keep for later: after a large table that may be gigabytes."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)
