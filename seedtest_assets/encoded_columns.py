"""Columns of Arrow that take little memory: a code a row, and each distinct value once; or nothing but nulls."""

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
    """Give nulls of a type of numbers, truth values, times or text, which take no memory until they are written to."""
    zeros = pa.py_buffer(np.zeros(8 * (n_rows + 1), np.uint8))  # pages that nobody has written are not there
    n_buffers = 3 if pa.types.is_string(kind) else 2
    return pa.Array.from_buffers(kind, n_rows, [zeros] * n_buffers, null_count=n_rows)
