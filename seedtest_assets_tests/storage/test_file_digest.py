"""A file of a day whose bits changed is noticed, whichever bit it is."""

import io
from datetime import datetime, timezone

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seedtest_assets.storage.file_digest import is_damaged, parquet_with_digest
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA


def day_of(n: int) -> pa.Table:
    rows = [{"student_id": f"s{k % 7}", "item_id": f"i{k % 5}", "correct": k % 3 > 0} for k in range(n)]
    at = datetime(2025, 3, 9, 12, tzinfo=timezone.utc)
    return pa.Table.from_pylist([row | {"completed_at": at} for row in rows], schema=OBSERVATION_SCHEMA)


def test_what_was_written_is_sound_and_reads_as_it_was():
    for n in (0, 50):
        file = parquet_with_digest(day_of(n))
        assert not is_damaged(file)
        assert pq.read_table(io.BytesIO(file)) == day_of(n)


def read_or_refused(content: bytes) -> pa.Table | None:
    """Read a file; None where its metadata cannot be read, which nobody overlooks."""
    try:
        return pq.read_table(io.BytesIO(content))
    except OSError:
        return None


def test_no_changed_bit_changes_an_answer_unnoticed():
    file, random = parquet_with_digest(day_of(50)), np.random.default_rng(7)
    for at in [*random.integers(0, len(file), 300), *range(len(file) - 200, len(file))]:
        damaged = bytearray(file)
        damaged[at] ^= 1 << int(random.integers(8))
        # A bit of the digest's own name makes a file without one, whose answers are whole.
        assert is_damaged(bytes(damaged)) or read_or_refused(bytes(damaged)) in (day_of(50), None)
    assert is_damaged(file[:-1])


def test_a_file_of_an_earlier_version_has_no_digest_and_is_only_to_be_whole():
    written = io.BytesIO()
    pq.write_table(day_of(3), written)
    assert not is_damaged(written.getvalue())
    assert is_damaged(written.getvalue()[:-1])
