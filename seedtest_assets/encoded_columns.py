"""Dictionary-encoded columns of Arrow: a code a row, and each distinct value once."""

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
