"""Columns of nulls: equal to Arrow's own, and without memory of their own."""

import pickle

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from seedtest_assets.encoded_columns import nothing


@pytest.mark.parametrize(
    "kind", [pa.float64(), pa.int32(), pa.bool_(), pa.string(), pa.timestamp("us", tz="UTC")], ids=str
)
@pytest.mark.parametrize("n_rows", [0, 1, 9, 1000])
def test_nulls_are_those_of_arrow(kind, n_rows):
    nulls = nothing(kind, n_rows)
    nulls.validate(full=True)
    assert nulls.equals(pa.nulls(n_rows, kind))
    assert pc.drop_null(nulls) == pa.array([], kind)
    assert pa.concat_arrays([nulls, nulls]).null_count == 2 * n_rows


def test_all_share_one_buffer_of_which_each_sends_its_part_only():
    few, more = nothing(pa.float64(), 10), nothing(pa.int32(), 1000)
    assert few.buffers()[1].address == more.buffers()[1].address
    assert not few.buffers()[1].is_mutable
    assert len(pickle.dumps(few)) < 1000
