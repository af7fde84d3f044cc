"""Which answers count and who gets a row, against a slow reference over dictionaries."""

import math
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedtest_assets.errors import InputError
from seedtest_assets.features.topic_theta import topic_theta
from seedtest_assets.table_shards import TableShards

ITEMS = pd.DataFrame({"item_id": ["i1", "i2", "i3"], "a": [1.0, 1.4, 0.7], "b": [0.2, -0.5, 1.0], "c": 0.0})

student, topic = st.sampled_from(["s1", "s2", "s3"]), st.sampled_from(["t1", "t2", None])
answers = st.lists(st.tuples(student, st.sampled_from(["i1", "i2", "i3", "i9"]), topic, st.booleans()), max_size=40)


def table(rows, names):
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    types = [pa.bool_() if name == "correct" else pa.string() for name in names]
    return pa.table(
        {name: pa.array(list(column), kind) for name, column, kind in zip(names, columns, types, strict=True)}
    )


def run(window, active, mean=0.0, sd=1.0, n_buckets=1, items=ITEMS):
    answers = table(window, ["student_id", "item_id", "topic_id", "correct"])
    bucket = np.array([zlib.crc32(row[0].encode()) % n_buckets for row in window], int)
    return topic_theta(
        TableShards.here([answers.filter(pa.array(bucket == k)) for k in range(n_buckets)]),
        table(active, ["student_id", "topic_id"]),
        items,
        mean,
        sd,
    )


def expected_counts(window, active):
    """{(student, topic): answers that count} of every row there should be."""
    first = {}
    for who, item, topic, _ in window:
        first.setdefault((who, item), topic)
    counts = {(who, topic): 0 for who, topic in active if topic is not None}
    for (who, item), topic in first.items():
        if item != "i9" and topic is not None and who in {who for who, _ in active}:
            counts[who, topic] = counts.get((who, topic), 0) + 1
    return counts


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(window=answers, n_active=st.integers(0, 10), n_buckets=st.integers(1, 3))
def test_first_answers_to_fitted_items_of_the_active(window, n_active, n_buckets):
    active = [(who, topic) for who, _, topic, _ in window[len(window) - min(n_active, len(window)) :]]
    rows = run(window, active, n_buckets=n_buckets).rows.to_pandas()
    got = {(row.user_id, row.topic_id): row.n_responses for row in rows.itertuples()}
    fitted = any(item != "i9" for _, item, _, _ in window)
    assert got == (expected_counts(window, active) if fitted else {})
    assert len(rows) == len(got)


def test_a_single_answer_gives_the_ability_worked_by_hand():
    row = run([("s1", "i1", "t1", True)], [("s1", "t1")], mean=0.1, sd=1.2).rows.to_pandas().iloc[0]
    theta = np.linspace(-9, 9, 3601)
    density = np.exp(-0.5 * ((theta - 0.1) / 1.2) ** 2) / (1 + np.exp(-(theta - 0.2)))
    density /= density.sum()
    assert row["theta"] == pytest.approx(density @ theta, abs=1e-6)
    assert row["se"] == pytest.approx(math.sqrt(density @ theta**2 - (density @ theta) ** 2), abs=1e-6)


def test_the_rows_of_a_part_are_in_the_order_of_users_then_topics():
    window = [(who, item, topic, True) for who in ("s2", "s10", "s1") for item, topic in (("i1", "t2"), ("i2", "t1"))]
    rows = run(window, [(who, topic) for who, _, topic, _ in window]).rows
    pairs = list(zip(rows["user_id"].to_pylist(), rows["topic_id"].to_pylist(), strict=True))
    assert pairs == sorted(pairs)
    assert len(pairs) == 6


def test_a_window_without_answers_to_fitted_items_gives_no_rows():
    result = run([("s1", "i9", "t1", True)], [("s1", "t1")])
    assert not len(result.rows)
    assert result.spread is None


def test_a_student_whom_the_window_does_not_have_gets_no_row():
    rows = run([("s1", "i1", "t1", True)], [("s1", "t1"), ("s2", "t1"), ("s1", "t2")]).rows
    assert list(zip(rows["user_id"].to_pylist(), rows["topic_id"].to_pylist(), strict=True)) == [("s1", "t1")]


def test_a_population_that_cannot_be_is_refused_in_one_line():
    with pytest.raises(InputError, match="SD nan"):
        run([("s1", "i1", "t1", True)], [("s1", "t1")], sd=math.nan)


def random_window(n_students, seed):
    """Answers of students to 40 items in 4 topics, and their parameters."""
    random = np.random.default_rng(seed)
    items = pd.DataFrame({"item_id": [f"i{j}" for j in range(40)], "a": 1.2, "b": random.normal(0, 1, 40), "c": 0.0})
    student, item = np.repeat(np.arange(n_students), 30), random.integers(0, 40, 30 * n_students)
    theta = random.normal(size=(n_students, 1)) + 0.6 * random.normal(size=(n_students, 4))
    chance = 1 / (1 + np.exp(-1.2 * (theta[student, item % 4] - items["b"].to_numpy()[item])))
    correct = random.random(len(student)) < chance
    order = random.permutation(len(student))
    rows = [(f"s{student[k]}", f"i{item[k]}", f"t{item[k] % 4}", bool(correct[k])) for k in order]
    return rows, items


@pytest.mark.slow
@pytest.mark.parametrize("max_pairs", [200_000, 900])
def test_the_number_of_buckets_makes_no_difference(monkeypatch, max_pairs):
    monkeypatch.setattr("seedtest_assets.features.topic_theta.MAX_PAIRS", max_pairs)
    window, items = random_window(400, seed=1)
    active = [(who, topic) for who, _, topic, _ in window[-300:]]
    results = [run(window, active, n_buckets=n, items=items) for n in (1, 3, 16)]
    frames = [result.rows.to_pandas().sort_values(["user_id", "topic_id"], ignore_index=True) for result in results]
    assert len(frames[0]) > 500
    assert results[0].spread.n_pairs == min(1600, max_pairs)
    assert len(results[0].spread.topic) == (4 if max_pairs > 1600 else 0)
    for result, frame in zip(results[1:], frames[1:], strict=True):
        assert result.spread.tau == pytest.approx(results[0].spread.tau, rel=1e-9)
        pd.testing.assert_frame_equal(frame, frames[0], rtol=1e-9, atol=1e-9)


def test_parts_of_points_count_alike_in_every_bucket():
    """Steps of half a point follow from the answers of both students: apart, one of them would have whole points."""
    buckets = [
        table([(student, "i1", "t1", None)], ["student_id", "item_id", "topic_id", "correct"])
        .append_column("score", pa.array([score]))
        .append_column("max_score", pa.array([1.0]))
        for student, score in (("s1", 0.5), ("s2", 1.0))
    ]
    items = pd.DataFrame({"item_id": ["i1"], "a": 1.0, "b": 0.0, "c": 0.0, "steps": [[-0.5, 0.5]], "model": "GPCM"})
    apart = topic_theta(TableShards.here(buckets), pa.concat_tables(buckets), items, 0.0, 1.0).rows
    together = topic_theta(
        TableShards.here([pa.concat_tables(buckets)]), pa.concat_tables(buckets), items, 0.0, 1.0
    ).rows
    assert apart.equals(together)
    assert apart["theta"][0].as_py() == pytest.approx(0, abs=1e-9)
    assert apart["theta"][1].as_py() > 0.3
