"""Columns of a Parquet file of answers, whatever their types, as the reader of text takes them; or refused by name."""

import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.errors import InputError
from seedtest_assets.storage.observations import ID_COLUMNS


def readable_column(path: str, name: str, values: pa.ChunkedArray, meaning: str) -> pa.ChunkedArray:
    """Give the values of a column in a type of which every reader makes the same text.

    meaning: the column of OBSERVATION_SCHEMA that they are. Whole numbers among ids lose their decimals: pandas writes ids
    with a missing one among them as 1.0.
    Raises InputError naming the column for values that are none of its kind.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        if pa.types.is_string(kind.value_type):
            return values
        return readable_column(path, name, values.cast(kind.value_type), meaning)
    if pa.types.is_null(kind):
        return values  # it takes the type that the column has in other files
    if isinstance(kind, pa.UuidType):
        texts = (str(one) if one else None for one in values.to_pylist())
        return pa.chunked_array([pa.array(texts, pa.string())])
    if _is_text(kind):
        try:
            return values.cast(pa.string())
        except pa.ArrowInvalid:
            raise InputError(
                f"{path}: the column {name} holds bytes that are no UTF-8 text. Write it as text"
            ) from None
    if meaning == "topic_id" and (pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return values.cast(pa.list_(kind.value_type))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _whole(path, name, values) if meaning in ID_COLUMNS else values
    if (
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or (meaning == "completed_at" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)))
        or (meaning == "topic_id" and pa.types.is_list(kind))
    ):
        return values
    raise InputError(
        f"{path}: the column {name} is of the type {kind}, which cannot be read as {meaning}. Write it as text"
    )


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _whole(path: str, name: str, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    known = ids
    if pa.types.is_floating(ids.type):
        known = pc.if_else(pc.is_nan(ids), pa.scalar(None, ids.type), ids)
    try:
        return known.cast(pa.int64())
    except pa.ArrowInvalid:
        raise InputError(f"{path}: the column {name} has ids with decimals. Write it as text") from None
