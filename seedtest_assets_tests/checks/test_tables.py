"""The tables that the platform reads, counted in PostgreSQL."""

from datetime import date, timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.checks.tables import keys_unique, no_nulls, theta_coverage, values_in_range
from seedtest_assets.settings import Settings
from seedtest_assets.storage.history_tables import ensure_month
from seedtest_assets.storage.table_facts import TableFacts, table_facts
from seedtest_assets_tests.conftest import execute

LIMITS = Settings()
DAY = date(2025, 3, 9)
THETA, FEATURES = "student_topic_theta", "features_topic_daily"
HISTORY = {THETA: "topic_theta_history", FEATURES: "feature_history"}
INSERT = {
    THETA: "INSERT INTO topic_theta_history VALUES (:day, 'u' || :n, 't1', :theta, :se, 5, '2PL', now())",
    FEATURES: "INSERT INTO feature_history VALUES (:day, 'u' || :n, 't1', 4, :correct, 900, 800, 1, :theta, :se, :gain, :basis, "
    "'2025-03-09 23:59:59+00', now())",
}  # fmt: skip


@pytest.fixture(params=[THETA, FEATURES])
def table(request, database):
    """A table that takes everything, with 100 sound rows of the day and 90 of the day before."""
    name = request.param
    history = HISTORY[name]
    execute(database, f"ALTER TABLE {history} DROP CONSTRAINT {history}_pkey")
    for column in ("student_id", "topic_id"):
        execute(database, f"ALTER TABLE {history} ALTER {column} DROP NOT NULL")
    put(database, name, *range(100))
    put(database, name, *range(90), day=DAY - timedelta(days=1))
    return name


def put(database, table, *numbers, **values):
    """Insert a sound row for each number, but for these values."""
    sound = {"day": DAY, "theta": 0.5, "se": 0.4, "correct": 3, "gain": 0.1, "basis": "theta"}
    wanted = sound | values
    ensure_month(database, wanted["day"])
    with database.transaction() as connection:
        connection.execute(sa.text(INSERT[table]), [wanted | {"n": str(n)} for n in numbers])


def facts_of(database, table, n_active=100) -> TableFacts:
    active = pa.table({"user_id": [f"u{n}" for n in range(n_active)], "topic_id": ["t1"] * n_active})
    return table_facts(database, table, DAY, active, LIMITS.theta_limit)


def test_sound_rows_pass_and_show_the_days_before(database, table):
    facts = facts_of(database, table)
    assert facts == TableFacts(rows=100, keys=100, nulls=0, outside=0, active=100, covered=100, rows_before=[90])
    for judgement in (theta_coverage(facts, LIMITS), keys_unique(facts), no_nulls(facts), values_in_range(facts)):
        assert judgement.passed
        assert list(judgement.history.values) == [90, 100]


@pytest.mark.parametrize(("n_active", "level"), [(101, Verdict.PASS), (102, Verdict.ERROR)])
def test_pairs_without_an_ability_are_counted(database, table, n_active, level):
    facts = facts_of(database, table, n_active)
    assert (facts.active, facts.covered) == (n_active, 100)
    assert theta_coverage(facts, LIMITS).verdict == level


def test_one_row_that_comes_twice_is_an_error(database, table):
    put(database, table, 7)
    assert keys_unique(facts_of(database, table)).verdict == Verdict.ERROR


def test_one_key_that_is_unknown_is_an_error(database, table):
    execute(database, f"UPDATE {HISTORY[table]} SET topic_id = NULL WHERE student_id = 'u7'")
    facts = facts_of(database, table)
    assert no_nulls(facts).numbers["bad_rows"] == 1
    assert no_nulls(facts).verdict == Verdict.ERROR


@pytest.mark.parametrize(
    "values", [{"theta": 10.1}, {"theta": -10.1}, {"theta": float("nan")}, {"se": 0.0}, {"se": float("nan")}]
)
def test_one_value_that_cannot_be_is_an_error(database, table, values):
    put(database, table, 100, **values)
    assert values_in_range(facts_of(database, table)).verdict == Verdict.ERROR


@pytest.mark.parametrize("values", [{"correct": 5}, {"correct": -1}, {"gain": 1.01}, {"gain": -1.01}])
def test_a_feature_that_cannot_be_is_an_error(database, values):
    put(database, FEATURES, 1)
    assert values_in_range(facts_of(database, FEATURES)).passed
    put(database, FEATURES, 2, **values)
    assert values_in_range(facts_of(database, FEATURES)).verdict == Verdict.ERROR


def test_an_ability_without_its_error_is_an_error_and_neither_is_not(database):
    put(database, FEATURES, 1, theta=None, se=None, gain=None, basis=None)
    assert no_nulls(facts_of(database, FEATURES)).passed
    put(database, FEATURES, 2, theta=None)
    assert no_nulls(facts_of(database, FEATURES)).verdict == Verdict.ERROR


def test_abilities_that_are_switched_off_are_not_missed(database):
    put(database, FEATURES, 0, theta=None, se=None)
    facts = facts_of(database, FEATURES, 1)
    assert theta_coverage(facts, LIMITS).verdict == Verdict.ERROR
    judgement = theta_coverage(facts, LIMITS, abilities_expected=False)
    assert judgement.passed
    assert judgement.numbers["share"] == 0
    assert "switched off" in judgement.finding


def test_a_day_without_answers_and_without_history_passes(database):
    facts = facts_of(database, THETA, 0)
    for judgement in (theta_coverage(facts, LIMITS), keys_unique(facts), no_nulls(facts), values_in_range(facts)):
        assert judgement.passed
