"""A day's answers as tables: divided into buckets, read from a file, joined again."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seedtest_assets.calibration import SCORE_SCHEMA
from seedtest_assets.encoded_columns import nothing
from seedtest_assets.storage.file_digest import is_damaged
from seedtest_assets.storage.lake_days import damaged
from seedtest_assets.storage.observations import ID_COLUMNS, OBSERVATION_SCHEMA
from seedtest_assets.storage.student_buckets import bucket_numbers
from seedtest_assets.usable_answers import in_order


def divided(answers: pa.Table, n_buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """Give each bucket that has answers, and these in their order."""
    if n_buckets == 1:
        if len(answers):
            yield 0, answers
        return
    numbers = bucket_numbers(answers["student_id"], n_buckets)
    answers = answers.take(pa.array(np.argsort(numbers, kind="stable")))
    start = 0
    for number, size in enumerate(np.bincount(numbers, minlength=n_buckets).tolist()):
        if size:
            yield number, answers.slice(start, size)
        start += size


def columns_of_file(content: bytes, path: str, columns: Sequence[str]) -> pa.Table:
    """Read columns of a file of answers; ids come dictionary-encoded.

    Raises InputError for a file that is not what was written, ArrowInvalid for one that is no file of answers.
    """
    if is_damaged(content):
        raise damaged(path)
    metadata = pq.read_metadata(pa.BufferReader(content))
    there = set(metadata.schema.names)
    # Scores are not there where the file was written before there were any.
    if missing := [name for name in columns if name not in there and name not in SCORE_SCHEMA.names]:
        raise pa.ArrowInvalid(f"it has no column {missing[0]}")
    known = [name for name in columns if name in there and not _is_empty(metadata, name)]
    file = pq.ParquetFile(pa.BufferReader(content), metadata=metadata, read_dictionary=ID_COLUMNS)
    # Not by threads: several files are read at a time.
    table = file.read(columns=known, use_threads=False)
    for name in set(columns) - set(known):
        table = table.append_column(name, _nulls(name, metadata.num_rows))
    return table.select(columns).cast(lake_schema(columns))


def _is_empty(metadata: pq.FileMetaData, column: str) -> bool:
    """Tell whether a column is known to have nothing but nulls, which take as long to decode as values."""
    number = metadata.schema.names.index(column)
    groups = (metadata.row_group(group).column(number) for group in range(metadata.num_row_groups))
    statistics = [group.statistics for group in groups]
    return all(one is not None and one.has_null_count for one in statistics) and metadata.num_rows == sum(
        one.null_count for one in statistics
    )


def _nulls(column: str, n: int) -> pa.Array:
    kind = lake_schema([column]).field(0).type
    if not pa.types.is_dictionary(kind):
        return nothing(kind, n)
    return pa.DictionaryArray.from_arrays(nothing(kind.index_type, n), pa.array([], kind.value_type))


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
