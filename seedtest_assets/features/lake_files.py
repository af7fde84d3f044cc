"""The lake's answers, opened in DuckDB."""

import re
from collections.abc import Sequence

import duckdb
import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from seedtest_assets.calibration import SCORE_SCHEMA
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.statements import literal


def open_answers(
    connection: duckdb.DuckDBPyConnection,
    observations: Sequence[str] | pa.Table,
    filesystem: fsspec.AbstractFileSystem | None,
) -> None:
    """Name the files, or the table, `answers`. filesystem: where the files are, if not on the local disk."""
    if isinstance(observations, pa.Table):
        connection.register("answers", observations)
        return
    paths = observations
    if not paths:
        connection.register("answers", OBSERVATION_SCHEMA.empty_table())
        return
    if filesystem is not None and not isinstance(filesystem, LocalFileSystem):
        connection.register_filesystem(filesystem)
        paths = [filesystem.unstrip_protocol(path) for path in paths]
    listed = ", ".join(literal(_as_pattern(path)) for path in paths)
    files = f"read_parquet([{listed}], union_by_name = true)"
    # By statements: DuckDB 1 lets other threads read a Python file system only while it executes one, and would wait for ever.
    columns = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {files}").fetchall()]
    # Files that were written before there were scores lack the columns.
    nothing = "".join(f", NULL::DOUBLE AS {name}" for name in SCORE_SCHEMA.names if name not in columns)
    connection.execute(f"CREATE VIEW answers AS SELECT *{nothing} FROM {files}")


def _as_pattern(path: str) -> str:
    """Write a path as the pattern that only this path matches: DuckDB takes every path as one."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)
