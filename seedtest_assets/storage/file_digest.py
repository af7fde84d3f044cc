"""A digest inside a Parquet file, by which a changed bit is noticed: Parquet itself protects nothing by default."""

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

_KEY = "seedtest.sha256"
_BEFORE_DIGEST = _KEY.encode() + b"\x18\x40"
"""The key in the file's footer, and how Thrift's compact protocol begins a value of 64 bytes."""
_BLANK = b"0" * 64
_MAGIC = b"PAR1"
"""What a Parquet file begins and ends with."""


def parquet_with_digest(table: pa.Table) -> bytes:
    """Write a table as a Parquet file whose footer has the SHA-256 of all of its bytes, itself taken as zeros."""
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_KEY: _BLANK.decode()})
    blank = buffer.getvalue()
    at = _place(blank)
    return blank[:at] + hashlib.sha256(blank).hexdigest().encode() + blank[at + len(_BLANK) :]


def is_damaged(file: bytes) -> bool:
    """Tell whether a file is not what was written, by the digest in it; one of version 0.1.0 has none and is only to be whole."""
    at = _place(file)
    if at < 0:
        return not (len(file) > len(_MAGIC) and file.startswith(_MAGIC) and file.endswith(_MAGIC))
    whole, after = memoryview(file), at + len(_BLANK)  # a night looks at each file many times, so it is not copied
    digest = hashlib.sha256(whole[:at])
    digest.update(_BLANK)
    digest.update(whole[after:])
    return digest.hexdigest().encode() != file[at:after]


def _place(file: bytes) -> int:
    at = file.rfind(_BEFORE_DIGEST)
    return at + len(_BEFORE_DIGEST) if at >= 0 else -1
