"""The newest abilities of the active students, from a real PostgreSQL."""

from datetime import date, timedelta

import pyarrow as pa

from seedtest_assets.features.topics_of_answers import active_pairs
from seedtest_assets.storage.abilities import newest_abilities
from seedtest_assets.storage.history_tables import ensure_month
from seedtest_assets_tests.conftest import execute

DAY = date(2024, 3, 10)


def add_topic(database, days_ago, user, topic, theta):
    ensure_month(database, DAY - timedelta(days_ago))
    execute(
        database,
        "INSERT INTO topic_theta_history VALUES (:day, :user, :topic, :theta, 0.3, 5, '2PL', now())",
        day=DAY - timedelta(days_ago),
        user=user,
        topic=topic,
        theta=theta,
    )


def add_overall(database, days_ago, user, theta):
    ensure_month(database, DAY - timedelta(days_ago))
    execute(
        database,
        "INSERT INTO ability_history VALUES (:day, :user, :theta, 0.2, 50, '2PL', now())",
        day=DAY - timedelta(days_ago),
        user=user,
        theta=theta,
    )


def found(table):
    return sorted(((DAY - row.pop("partition_date")).days, *row.values()) for row in table.to_pylist())


def test_the_newest_of_each_window_for_those_who_are_active(database):
    for days_ago in (0, 1, 13, 14, 27, 28):
        add_topic(database, days_ago, "u1", "t1", float(days_ago))
        add_overall(database, days_ago, "u1", float(-days_ago))
    add_topic(database, -1, "u1", "t1", 99.0)
    add_topic(database, 12, "u1", "t2", 1.0)
    add_topic(database, 0, "u2", "t1", 1.0)
    add_overall(database, 20, "u3", 0.5)
    for days_ago in (5, 13):  # before the day, and none of it
        add_overall(database, days_ago, "u4", float(days_ago))
    active = pa.table({"user_id": ["u1", "u1", "u3", "u4"], "topic_id": ["t1", "t3", "t1", "t1"]})
    topic_theta, overall_theta = newest_abilities(database, DAY, active)
    assert found(topic_theta) == [(0, "u1", "t1", 0.0, 0.3), (14, "u1", "t1", 14.0, 0.3)]
    assert found(overall_theta) == [
        (0, "u1", 0.0, 0.2),
        (5, "u4", 5.0, 0.2),
        (14, "u1", -14.0, 0.2),
        (20, "u3", 0.5, 0.2),
    ]


def test_nobody_active_has_no_abilities(database):
    add_overall(database, 0, "u1", 0.5)
    nobody = active_pairs(pa.table({"student_id": pa.array(["u1"]), "topic_id": pa.array([None], pa.string())}))
    assert [len(table) for table in newest_abilities(database, DAY, nobody)] == [0, 0]


def test_active_pairs_come_once_from_dictionary_columns():
    encoded = {
        name: pa.array(values).dictionary_encode() for name, values in (("student_id", "aab"), ("topic_id", "xxy"))
    }
    pairs = active_pairs(pa.table(encoded))
    assert sorted(pairs.to_pylist(), key=str) == [{"user_id": "a", "topic_id": "x"}, {"user_id": "b", "topic_id": "y"}]
