"""A day's answers as tables: divided into buckets, read from a file, joined again."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seedtest_assets.calibration import SCORE_SCHEMA
from seedtest_assets.storage.bucket import Bucket
from seedtest_assets.storage.file_digest import is_damaged
from seedtest_assets.storage.lake_days import damaged
from seedtest_assets.storage.observations import ID_COLUMNS, OBSERVATION_SCHEMA
from seedtest_assets.storage.student_buckets import answers_in, bucket_numbers
from seedtest_assets.usable_answers import in_order


def divided(rows: pa.Table, n_buckets: int, student: str = "student_id") -> Iterator[tuple[int, pa.Table]]:
    """Give each bucket whose students have rows, and these in their order. student: the column with their ids."""
    if n_buckets == 1:
        if len(rows):
            yield 0, rows
        return
    numbers = bucket_numbers(rows[student], n_buckets)
    rows = rows.take(pa.array(np.argsort(numbers, kind="stable")))
    start = 0
    for number, size in enumerate(np.bincount(numbers, minlength=n_buckets).tolist()):
        if size:
            yield number, rows.slice(start, size)
        start += size


def columns_of_file(content: bytes, path: str, columns: Sequence[str], wanted: Bucket, held: Bucket) -> pa.Table:
    """Read columns of the wanted students from a file with the answers of a bucket, `held`.

    Raises InputError for a file that is not what was written, ArrowInvalid for one that is no file of answers.
    """
    if is_damaged(content):
        raise damaged(path)
    metadata = pq.read_metadata(pa.BufferReader(content))
    there = set(metadata.schema.names)
    selects = not wanted.contains(held)
    read = dict.fromkeys([*columns, *["student_id"] * selects])
    known = [name for name in read if name in there or name not in SCORE_SCHEMA.names]
    if missing := [name for name in known if name not in there]:
        raise pa.ArrowInvalid(f"it has no column {missing[0]}")
    file = pq.ParquetFile(pa.BufferReader(content), metadata=metadata, read_dictionary=ID_COLUMNS)
    # Not by threads: several files are read at a time.
    table = file.read(columns=known, use_threads=False)
    for name in set(columns) - set(known):  # the file was written before there were scores
        table = table.append_column(name, pa.nulls(len(table), OBSERVATION_SCHEMA.field(name).type))
    return (answers_in(table, wanted) if selects else table).select(columns).cast(lake_schema(columns))


def lake_schema(columns: Sequence[str]) -> pa.Schema:
    """Give the types of columns as they are read, with ids dictionary-encoded."""
    ids = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [pa.field(name, ids) if name in ID_COLUMNS else OBSERVATION_SCHEMA.field(name) for name in columns]
    )


def joined(tables: list[pa.Table]) -> pa.Table:
    """Join the files of a day; with completed_at among the columns in the order of the day."""
    table = pa.concat_tables(tables)
    return in_order(table.unify_dictionaries()) if len(tables) > 1 and "completed_at" in table.column_names else table
