"""Columns of the lake's files, kept in memory for the length of a run: most of its steps read the same days.

A file has a name that no other content ever has, so what is kept of it is never out of date.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

import pyarrow as pa

MOST_BYTES = 300_000_000
"""What may be kept; what comes later is read each time. 10 million answers take some 250 MB."""


class KeptColumns:
    """Columns of files. most_bytes: of all columns that are kept."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._room, self._lock = most_bytes, Lock()
        self._kept: dict[Hashable, dict[str, pa.ChunkedArray]] = {}

    def of_file(self, file: Hashable, columns: Sequence[str], read: Callable[[Sequence[str]], pa.Table]) -> pa.Table:
        """Give columns of a file; `read` gives those that are not kept, which are kept from now on while there is room."""
        with self._lock:
            known = dict(self._kept.get(file, {}))
        missing = [name for name in columns if name not in known]
        if missing:
            new = dict(zip(missing, read(missing).columns, strict=True))
            known |= new
            self._keep(file, new)
        return pa.table({name: known[name] for name in columns})

    def _keep(self, file: Hashable, columns: dict[str, pa.ChunkedArray]) -> None:
        with self._lock:
            kept = self._kept.setdefault(file, {})
            for name, column in columns.items():
                # Nulls alone take no memory.
                size = column.nbytes if column.null_count < len(column) else 0
                if name not in kept and size <= self._room:
                    kept[name] = column
                    self._room -= size


class _OfThisProcess:
    """What the runs of this process keep. n_runs: that are at work."""

    def __init__(self) -> None:
        self.kept: KeptColumns | None = None
        self.n_runs, self.lock = 0, Lock()


_here = _OfThisProcess()


@contextmanager
def columns_are_kept() -> Iterator[None]:
    """Keep what this process reads of the lake's files until the end of the block, or of the last of several at a time."""
    with _here.lock:
        _here.n_runs += 1
        _here.kept = _here.kept or KeptColumns()
    try:
        yield
    finally:
        with _here.lock:
            _here.n_runs -= 1
            if not _here.n_runs:
                _here.kept = None


def kept_or_read(file: Hashable, columns: Sequence[str], read: Callable[[Sequence[str]], pa.Table]) -> pa.Table:
    """Give columns of a file as KeptColumns does; where nothing is kept, they are read."""
    kept = _here.kept
    return read(columns) if kept is None else kept.of_file(file, columns, read)
