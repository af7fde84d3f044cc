"""Which answers count and who gets a row, against a slow reference over dictionaries."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedtest_assets.errors import InputError
from seedtest_assets.features.topic_theta import topic_theta

ITEMS = pd.DataFrame({"item_id": ["i1", "i2", "i3"], "a": [1.0, 1.4, 0.7], "b": [0.2, -0.5, 1.0], "c": 0.0})

student, topic = st.sampled_from(["s1", "s2", "s3"]), st.sampled_from(["t1", "t2", None])
answers = st.lists(st.tuples(student, st.sampled_from(["i1", "i2", "i3", "i9"]), topic, st.booleans()), max_size=40)


def table(rows, names):
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    types = [pa.bool_() if name == "correct" else pa.string() for name in names]
    return pa.table(
        {name: pa.array(list(column), kind) for name, column, kind in zip(names, columns, types, strict=True)}
    )


def run(window, active, mean=0.0, sd=1.0):
    return topic_theta(
        table(window, ["student_id", "item_id", "topic_id", "correct"]),
        table(active, ["student_id", "topic_id"]),
        ITEMS,
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


@settings(max_examples=60, deadline=None)
@given(window=answers, n_active=st.integers(0, 10))
def test_first_answers_to_fitted_items_of_the_active(window, n_active):
    active = [(who, topic) for who, _, topic, _ in window[len(window) - min(n_active, len(window)) :]]
    rows = run(window, active).rows
    got = {(row.user_id, row.topic_id): row.n_responses for row in rows.itertuples()}
    fitted = any(item != "i9" for _, item, _, _ in window)
    assert got == (expected_counts(window, active) if fitted else {})
    assert len(rows) == len(got)


def test_a_single_answer_gives_the_ability_worked_by_hand():
    row = run([("s1", "i1", "t1", True)], [("s1", "t1")], mean=0.1, sd=1.2).rows.iloc[0]
    theta = np.linspace(-9, 9, 3601)
    density = np.exp(-0.5 * ((theta - 0.1) / 1.2) ** 2) / (1 + np.exp(-(theta - 0.2)))
    density /= density.sum()
    assert row["theta"] == pytest.approx(density @ theta, abs=1e-6)
    assert row["se"] == pytest.approx(math.sqrt(density @ theta**2 - (density @ theta) ** 2), abs=1e-6)


def test_a_student_whom_the_window_does_not_have_gets_no_row():
    rows = run([("s1", "i1", "t1", True)], [("s1", "t1"), ("s2", "t1"), ("s1", "t2")]).rows
    assert list(zip(rows["user_id"], rows["topic_id"], strict=True)) == [("s1", "t1")]


def test_a_population_that_cannot_be_is_refused_in_one_line():
    with pytest.raises(InputError, match="SD nan"):
        run([("s1", "i1", "t1", True)], [("s1", "t1")], sd=math.nan)
