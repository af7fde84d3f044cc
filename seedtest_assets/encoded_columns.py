"""Columns of Arrow that take little memory: a code a row, and each distinct value once; or nothing but nulls."""

from functools import cache

import numpy as np
import pyarrow as pa


def dictionary_of(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Dictionary-encode a column as one array, where it is not so already; its dictionary may have values that no row has."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        return encoded.unify_dictionaries().combine_chunks() if encoded.num_chunks else pa.array([], encoded.type)
    return encoded


def decoded(table: pa.Table) -> pa.Table:
    """Write the dictionary-encoded columns of a table as they are without codes."""
    types = (kind.value_type if pa.types.is_dictionary(kind) else kind for kind in table.schema.types)
    return table.cast(pa.schema(zip(table.column_names, types, strict=True)))


def nothing(kind: pa.DataType, n_rows: int) -> pa.Array:
    """Give nulls of a type of numbers, truth values, times or text, which take no memory: they share one buffer of zeros."""
    n_bytes = 8 * (n_rows + 1)
    zeros = _zeros(max(_LEAST_ZEROS, 1 << n_bytes.bit_length())).slice(0, n_bytes)
    n_buffers = 3 if pa.types.is_string(kind) else 2
    return pa.Array.from_buffers(kind, n_rows, [zeros] * n_buffers, null_count=n_rows)


# So large that the system gives pages of their own, which are not there until they are written to, and nobody writes to them.
_LEAST_ZEROS = 64 << 20


@cache
def _zeros(n_bytes: int) -> pa.Buffer:
    zeros = np.zeros(n_bytes, np.uint8)
    zeros.setflags(write=False)
    return pa.py_buffer(zeros)
