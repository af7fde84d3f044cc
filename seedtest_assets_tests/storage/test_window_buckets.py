"""A window in parts: the same answers and rapid guesses whatever their number."""

import pickle
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from seedtest_assets.encoded_columns import decoded
from seedtest_assets.errors import InputError
from seedtest_assets.storage import student_buckets
from seedtest_assets.storage.lake import Lake
from seedtest_assets.storage.observations import usable_answers
from seedtest_assets.storage.student_buckets import bucket_numbers
from seedtest_assets.storage.window import COLUMNS, Window, read_answers_as_given, read_window
from seedtest_assets.table_shards import TableShards
from seedtest_assets.usable_answers import in_order
from seedtest_assets_tests.rapid_school import school_with_rapid_guesses
from seedtest_assets_tests.school import LAST


@pytest.fixture(scope="module")
def answers() -> pa.Table:
    """Answers of ten days with rapid guesses, many at the same time."""
    given = school_with_rapid_guesses().answers
    days = given["completed_at"].cast(pa.date32())
    given = given.filter(pa.compute.greater(days, LAST - timedelta(days=10)))
    hours = given["completed_at"].cast(pa.timestamp("us")).to_numpy().astype("datetime64[h]").astype("datetime64[us]")
    times = pa.array(hours, pa.timestamp("us")).cast(given.schema.field("completed_at").type)
    given = given.set_column(given.column_names.index("completed_at"), "completed_at", times)
    return usable_answers(given).table


@pytest.fixture(scope="module")
def lakes(answers, tmp_path_factory) -> dict[int, Lake]:
    """The answers in lakes by their number of buckets."""
    lakes = {n: Lake(str(tmp_path_factory.mktemp("lake")), n) for n in (1, 3, 16)}
    days = answers["completed_at"].cast(pa.date32())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(student_buckets, "ANSWERS_OF_A_FILE", 10)
        for day in days.unique().to_pylist():
            of_day = answers.filter(pa.compute.equal(days, day))
            for lake in lakes.values():
                lake.write_observations(day, of_day)
    return lakes


@pytest.fixture
def window_in(lakes, settings, monkeypatch):
    """Read the window in as many parts as a lake has buckets."""

    def read(n_buckets: int, read=read_window, **changes) -> Window:
        monkeypatch.setattr(student_buckets, "ANSWERS_OF_A_PART", 1)
        return read(lakes[n_buckets], LAST, settings.model_copy(update={"mirt_lookback_days": 10, **changes}))

    return read


@pytest.mark.parametrize("n_buckets", [3, 16])
@pytest.mark.parametrize("policy", ["keep", "wrong", "ignore"])
@pytest.mark.parametrize("most", [0, 500])
def test_answers_and_rapid_guesses_are_those_of_a_window_in_one_part(window_in, n_buckets, policy, most):
    options = {"seedtest_rapid_guesses": policy, "mirt_max_obs": most}
    whole, window = window_in(1, **options), window_in(n_buckets, **options)
    assert (len(whole.buckets), len(window.buckets)) == (1, n_buckets)
    expected = decoded(whole.buckets[0])
    assert decoded(in_order(pa.concat_tables(window.buckets).unify_dictionaries())) == expected
    assert window.rapid_guesses == whole.rapid_guesses
    assert window.n_answers == whole.n_answers == len(expected)
    number = bucket_numbers(expected["student_id"], n_buckets)
    for part, of_part in enumerate(window.buckets):
        assert of_part.column_names == COLUMNS
        assert decoded(of_part) == expected.filter(pa.array(number == part))


def test_thresholds_of_items_are_from_all_parts(window_in):
    whole, window = window_in(1, read=read_answers_as_given).rapid, window_in(16, read=read_answers_as_given).rapid
    order = [window.item_ids.index(name).as_py() for name in whole.item_ids]
    for name in ("thresholds", "n_timed", "n_rapid"):
        np.testing.assert_array_equal(getattr(window, name)[order], getattr(whole, name))
    assert whole.n_rapid.sum() > 0


def test_a_part_is_read_when_it_is_asked_for(window_in, monkeypatch):
    window, read = window_in(3), []
    read_files = Lake.read_files
    monkeypatch.setattr(Lake, "read_files", lambda *given: read.append(given[-1].number) or read_files(*given))
    assert len(window.buckets) == 3
    assert read == []
    assert len(window.buckets[2]) > 0
    assert read == [2]
    assert [len(part) for part in window.buckets[1:]] == [len(window.buckets[1]), len(window.buckets[2])]


def test_another_process_reads_the_same_parts(window_in):
    window = window_in(3, seedtest_rapid_guesses="wrong", mirt_max_obs=500)
    assert pickle.loads(pickle.dumps(window.buckets))[1].equals(window.buckets[1])


def test_a_night_refuses_a_lake_with_another_number_of_buckets(lakes, settings):
    with pytest.raises(InputError, match=r"SEEDTEST_BUCKETS is 4, and the lake .* was made with 3"):
        read_window(Lake(lakes[3].url, 4), date(2025, 3, 9), settings)


def test_steps_that_ask_for_the_same_answers_look_for_rapid_guesses_once(answers, lakes, window_in):
    first = window_in(3).rapid
    assert window_in(3, seedtest_rapid_guesses="wrong").rapid is first
    assert window_in(3, mirt_max_obs=100).rapid is not first
    assert window_in(16).rapid is not window_in(3).rapid
    of_last = answers.filter(pa.compute.equal(answers["completed_at"].cast(pa.date32()), LAST))
    before = window_in(3).rapid
    lakes[3].write_observations(LAST, of_last)
    assert window_in(3).rapid is not before


def test_the_rows_of_a_window_are_the_same_whatever_its_columns_and_others_by_the_policy(window_in):
    windows = [window_in(3, seedtest_rapid_guesses=policy) for policy in ("keep", "wrong", "ignore", "keep")]
    rows = [TableShards.here(window.buckets).rows for window in windows]
    assert None not in rows
    assert len(set(rows)) == 3
    assert rows[0] == rows[3] == TableShards.here(windows[0].buckets).narrowed(["item_id"]).rows
