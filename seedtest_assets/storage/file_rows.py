"""The rows of single files of answers as they stand there, some at a time: Parquet, CSV or Excel."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seedtest_assets.errors import InputError, first_line
from seedtest_assets.storage.answer_columns import HEADERS, choose_columns, is_wide
from seedtest_assets.storage.observations import ID_COLUMNS
from seedtest_assets.storage.parquet_columns import readable_column
from seedtest_assets.storage.text_tables import ROW, TextFile, refuse_repeated_names

ROWS_OF_A_PART = 1 << 18
"""Of a Parquet file: some MB of a usual log."""
_ENCODED = ("student_id", "item_id", "topic_id", "session_id", "correct")
"""Columns of few distinct values."""


class FileRows(Protocol):
    """names: of the columns. misfits, notes: as of a TextFile, whole when all parts have been read."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def misfits(self) -> Sequence[tuple[int, str]]: ...

    @property
    def notes(self) -> Sequence[str]: ...

    def parts(self, meanings: Mapping[str, str]) -> Iterator[pa.Table]:
        """Read the columns that have a meaning, a column of OBSERVATION_SCHEMA, and ROW; at least one part."""
        ...


def open_rows(path: str) -> FileRows:
    """Open a file and read its header; raises InputError where that is not possible."""
    return ParquetRows(path) if path.lower().endswith(".parquet") else TextRowsOfFile(Path(path))


class TextRowsOfFile:
    """Rows of a CSV or Excel file."""

    def __init__(self, path: Path) -> None:
        self._file = TextFile(path, HEADERS)
        self.names, self.misfits, self.notes = self._file.names, self._file.misfits, self._file.notes

    def parts(self, meanings: Mapping[str, str]) -> Iterator[pa.Table]:
        chosen = {column: name for column, name in meanings.items() if column in self.names}
        # The cells of a wide file are encoded when they are one column.
        encoded = {column for column, name in chosen.items() if name in _ENCODED and not is_wide(self.names)}
        for part in self._file.parts(encoded):
            yield part.select([*chosen, ROW])


class ParquetRows:
    """Rows of a Parquet file."""

    notes: Sequence[str] = ()
    misfits: Sequence[tuple[int, str]] = ()

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            schema = pq.read_schema(path)
            ids = [column for name, column in choose_columns(schema.names).items() if name in ID_COLUMNS]
            texts = [name for name in ids if pa.types.is_string(schema.field(name).type)]
            self._file = pq.ParquetFile(path, read_dictionary=texts)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} cannot be read: {first_line(error)}") from None
        refuse_repeated_names(Path(path), schema.names)
        self.names = schema.names

    def parts(self, meanings: Mapping[str, str]) -> Iterator[pa.Table]:
        chosen = [column for column in self.names if column in meanings]
        schema = self._file.schema_arrow
        n_rows = 0
        try:
            for batch in self._file.iter_batches(ROWS_OF_A_PART, columns=chosen):
                yield self._readable(pa.Table.from_batches([batch]), meanings, n_rows)
                n_rows += len(batch)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self._path} cannot be read: {first_line(error)}") from None
        if not n_rows:
            empty = pa.schema([schema.field(column) for column in chosen]).empty_table()
            yield self._readable(empty, meanings, 0)

    def _readable(self, rows: pa.Table, meanings: Mapping[str, str], n_above: int) -> pa.Table:
        columns = {
            column: readable_column(self._path, column, rows[column], meanings[column]) for column in rows.column_names
        }
        return pa.table({**columns, ROW: pa.array(np.arange(n_above + 1, n_above + len(rows) + 1))})
