"""Tables that are written down once and read again as often as needed: in memory, or in a file that nobody else can open."""

import tempfile
from collections.abc import Iterator
from typing import IO, Protocol

import pyarrow as pa

from seedtest_assets.errors import InputError


class KeptParts(Protocol):
    """Tables of one schema."""

    def append(self, part: pa.Table, /) -> None: ...

    def __iter__(self) -> Iterator[pa.Table]: ...


class PartsOnDisk:
    """Tables in a temporary file without a name, which is gone when it is closed or the process ends.

    Dictionaries may differ from table to table.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  close() closes it
        self._writer: pa.RecordBatchStreamWriter | None = None

    def append(self, part: pa.Table) -> None:
        """Write a table at the end. Raises InputError where the disk is full."""
        try:
            if self._writer is None:
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                self._writer = pa.ipc.new_stream(self._file, part.schema, options=options)
            # A table without rows has no batch, and a stream without batches no schema.
            for batch in part.combine_chunks().to_batches() or [_without_rows(part.schema)]:
                self._writer.write_batch(batch)
        except OSError as error:
            raise InputError(
                f"cannot keep the answers in {tempfile.gettempdir()} while they are checked: {error.strerror or error}. "
                "Name a folder with more room by TMPDIR"
            ) from None

    def __iter__(self) -> Iterator[pa.Table]:
        """Read the tables again, from the first; no table may be appended meanwhile."""
        if self._writer is None:
            return
        self._file.flush()
        end = self._file.tell()
        self._file.seek(0)
        yield from map(_as_table, pa.ipc.open_stream(self._file))
        self._file.seek(end)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def _without_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([pa.array([], kind) for kind in schema.types], schema=schema)


def _as_table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])
