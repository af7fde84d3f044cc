"""Parts in a file: read as often as needed, with a dictionary of their own each, and one line where the disk is full."""

from contextlib import closing
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from seedtest_assets.errors import InputError
from seedtest_assets.storage.kept_parts import PartsOnDisk
from seedtest_assets.storage.two_threads import in_two_threads

FULL = Path("/dev/full")


def part(number: int) -> pa.Table:
    return pa.table({"id": pa.array([f"s{number}", "s"]).dictionary_encode(), "n": [number, 0]})


def test_parts_are_read_again_and_after_more_were_appended():
    with closing(PartsOnDisk()) as kept:
        assert list(kept) == []
        for number in range(3):
            kept.append(part(number))
            for _ in range(2):
                assert [table.to_pylist() for table in kept] == [part(n).to_pylist() for n in range(number + 1)]


def test_a_part_without_rows_is_read_again_with_its_columns():
    with closing(PartsOnDisk()) as kept:
        kept.append(part(0).slice(0, 0))
        assert [table.schema for table in kept] == [part(0).schema]
        kept.append(part(1))
        assert [table.to_pylist() for table in kept] == [[], part(1).to_pylist()]


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr("tempfile.TemporaryFile", partial(FULL.open, "r+b", buffering=0))
    with closing(PartsOnDisk()) as kept, pytest.raises(InputError, match=r"No space left.*Name a folder .* TMPDIR"):
        kept.append(part(1))


def test_items_come_in_their_order_and_only_few_are_taken_ahead():
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    for number, (item, result) in enumerate(in_two_threads(lambda n: n * n, items())):
        assert (item, result) == (number, number**2)
        assert len(taken) <= number + 3


def test_an_error_of_an_item_comes_in_its_place():
    results = in_two_threads(lambda n: 1 // n, [2, 1, 0, 3])
    assert [next(results), next(results)] == [(2, 0), (1, 1)]
    with pytest.raises(ZeroDivisionError):
        next(results)
