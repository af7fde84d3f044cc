"""Whatever the order of nights, repeats, shadow nights, empty days, rejections, pins and other writers: the published tables
are what a plain model says, in which the newest accepted day wins and nothing else is touched."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedtest_assets.errors import InputError
from seedtest_assets.storage.publications import Publishing
from seedtest_assets.storage.publishing import clear_calibration, write_features, write_topic_theta
from seedtest_assets.storage.rolling_back import publish_day, publish_newest
from seedtest_assets_tests.conftest import execute, new_database, rows_of_each
from seedtest_assets_tests.storage.nights import (
    DAY,
    PUBLISHING,
    at,
    calibrate,
    feature_rows,
    topic_rows,
)

pytestmark = pytest.mark.usefixtures("without_pictures")

DAYS = [DAY + timedelta(days=n) for n in range(5)]
ITEMS, USERS, TOPICS = ("i0", "i1", "i2"), ("u0", "u1", "u2"), ("t0", "t1")
TABLES = ("items", "abilities", "topics", "features")
SEEN = {
    "items": "SELECT item_id, version, (params->>'b')::float8, fitted_at FROM mirt_item_params",
    "abilities": "SELECT user_id, version, theta, fitted_at FROM mirt_ability",
    "topics": "SELECT user_id, topic_id, theta, fitted_at FROM student_topic_theta",
    "features": "SELECT user_id, topic_id, date, attempts, computed_at FROM features_topic_daily",
    "fits": "SELECT run_id, fitted_at FROM mirt_fit_meta",
}


@dataclass(frozen=True)
class Day:
    """What a night made of a day: by table, its rows by key."""

    rows: dict[str, dict]
    run: str
    fitted_at: datetime


@dataclass
class Model:
    """What readers of the platform's tables should see."""

    history: dict[date, Day] = field(default_factory=dict)
    tables: dict[str, dict] = field(default_factory=lambda: {table: {} for table in TABLES})
    fits: dict[str, datetime] = field(default_factory=dict)
    ours: set[str] = field(default_factory=set)
    newest: date | None = None
    current: date | None = None
    pinned: date | None = None
    old_job: date | None = None

    def night(self, day: date, made: Day, enabled: bool) -> None:
        self.history[day] = made
        allowed = day == self.pinned if self.pinned else day >= max(self.newest or day, self.old_job or day)
        if enabled and allowed:
            for table in TABLES:
                self.tables[table] |= made.rows[table]
            self._fit(day)
            self._published(day)

    def pin(self, day: date) -> None:
        self._move(day)
        self.pinned = day

    def unpin(self) -> None:
        self.pinned = None
        newest = max(self.history)
        if newest >= (self.old_job or newest):
            self._move(newest)

    def _move(self, day: date) -> None:
        low, high = sorted((self.current or day, day))
        for table in TABLES:
            keys = {
                key
                for other, made in self.history.items()
                if other == day or low < other <= high
                for key in made.rows[table]
            }
            for other in sorted(other for other in self.history if other <= day):
                rows = self.history[other].rows[table]
                self.tables[table] |= {key: row for key, row in rows.items() if key in keys}
        for other in sorted(self.history):
            if other == day or (low < other <= high and other <= day):
                self._fit(other)
        self._published(day)
        newest = self.history[day]
        for run in self.ours & set(self.fits) - {newest.run}:
            if self.fits[run] >= newest.fitted_at:
                self.fits[run] = newest.fitted_at - timedelta(microseconds=1)

    def _fit(self, day: date) -> None:
        made = self.history[day]
        self.fits[made.run] = made.fitted_at
        self.ours.add(made.run)

    def _published(self, day: date) -> None:
        self.current, self.newest = day, max(day, self.newest or day)


days = st.sampled_from(DAYS)
some = st.integers(1, 7)
operations = st.one_of(
    st.tuples(st.just("night"), days, some, some, some, st.sampled_from([True, True, True, False])),
    st.tuples(st.just("night"), st.just(DAYS[-1]), some, some, some, st.just(True)),
    st.tuples(st.just("empty"), days),
    st.tuples(st.just("pin"), days),
    st.tuples(st.just("unpin")),
    st.tuples(st.just("online"), st.sampled_from(USERS)),
    st.tuples(st.just("old job"), days),
)


def chosen(bits, values):
    return [value for n, value in enumerate(values) if bits >> n & 1]


class Platform:
    """The real tables, and the same operations on them as on the model."""

    def __init__(self, database):
        self.database, self.model, self.clock = database, Model(), 0
        execute(database, "INSERT INTO mirt_item_params VALUES ('retired', '2PL', '{\"b\": 4}', 'v0', '2020-01-01')")
        self.others = {("retired", "v0", 4.0)}

    def tick(self) -> datetime:
        self.clock += 1
        return at(DAYS[-1]) + timedelta(minutes=self.clock)

    def night(self, day, items, users, topics, enabled):
        made_at = self.tick()
        value, run = float(self.clock), f"fit-{day}-{self.clock}"
        publishing = Publishing(enabled=enabled)
        of_items, of_users = dict.fromkeys(chosen(items, ITEMS), value), dict.fromkeys(chosen(users, USERS), value)
        pairs = [(user, topic) for user in chosen(users, USERS) for topic in chosen(topics % 4, TOPICS)]
        calibrate(
            self.database,
            day,
            run=str(self.clock),
            fitted_at=made_at,
            publishing=publishing,
            items=of_items,
            students=of_users,
        )
        write_topic_theta(
            self.database, day, topic_rows(day, dict.fromkeys(pairs, value), made_at), publishing=publishing
        )
        write_features(
            self.database, day, feature_rows(day, dict.fromkeys(pairs, self.clock), made_at), publishing=publishing
        )
        rows = {
            "items": dict.fromkeys(of_items, (value, made_at)),
            "abilities": dict.fromkeys(of_users, (value, made_at)),
            "topics": dict.fromkeys(pairs, (value, made_at)),
            "features": {(*pair, day): (self.clock, made_at) for pair in pairs},
        }
        self.model.night(day, Day(rows, run, made_at), enabled)

    def empty(self, day):
        clear_calibration(self.database, day)
        write_topic_theta(self.database, day, topic_rows(day, {}), publishing=PUBLISHING)
        write_features(self.database, day, feature_rows(day, {}), publishing=PUBLISHING)
        self.model.history.pop(day, None)

    def pin(self, day):
        try:
            publish_day(self.database, day, by="operator", why="looked at it", publishing=PUBLISHING)
        except InputError:
            assert day not in self.model.history
        else:
            self.model.pin(day)

    def unpin(self):
        try:
            publish_newest(self.database, by="operator", why="looked at it", publishing=PUBLISHING)
        except InputError:
            assert not self.model.history
        else:
            self.model.unpin()

    def online(self, user):
        """A session is scored, a feature is posted: rows that are not the night's, and one that the night overwrites."""
        written_at, value = self.tick(), float(self.clock)
        upsert = (
            "INSERT INTO mirt_ability VALUES (:user, :value, 0.4, '2PL', :version, :at) ON CONFLICT (user_id, version) "
            "DO UPDATE SET theta = excluded.theta, fitted_at = excluded.fitted_at"
        )
        execute(self.database, upsert, user=user, value=value, version="online", at=written_at)
        self.others = {row for row in self.others if row[:2] != (user, "online")} | {(user, "online", value)}
        if self.model.current:  # before, such a row could be the old job's
            execute(self.database, upsert, user=user, value=value, version="v1", at=written_at)
            self.model.tables["abilities"][user] = (value, written_at)
        execute(
            self.database,
            "INSERT INTO features_topic_daily (user_id, topic_id, date, attempts, computed_at) "
            "VALUES (:user, 'posted', :day, 1, :at) ON CONFLICT DO NOTHING",
            user=user,
            day=DAYS[0],
            at=at(DAYS[0]),
        )
        self.model.tables["features"][user, "posted", DAYS[0]] = (1, at(DAYS[0]))

    def old_job(self, day):
        """The old job does a day again, on the way back."""
        run, value = f"old-{self.tick()}", 99.0
        execute(self.database, "INSERT INTO mirt_fit_meta VALUES (:run, '{}', '{}', :at)", run=run, at=at(day))
        execute(
            self.database,
            "INSERT INTO mirt_item_params VALUES ('i0', '2PL', '{\"b\": 99}', 'v1', :at) ON CONFLICT (item_id) "
            "DO UPDATE SET params = excluded.params, fitted_at = excluded.fitted_at",
            at=at(day),
        )
        self.model.tables["items"]["i0"] = (value, at(day))
        self.model.fits[run] = at(day)
        self.model.old_job = max(day, self.model.old_job or day)

    def seen(self):
        """The published tables, as the model has them."""
        rows = rows_of_each(self.database, SEEN)
        return (
            {
                "items": {row[0]: row[2:] for row in rows["items"] if row[1] == "v1"},
                "abilities": {row[0]: row[2:] for row in rows["abilities"] if row[1] == "v1"},
                "topics": {row[:2]: row[2:] for row in rows["topics"]},
                "features": {row[:3]: row[3:] for row in rows["features"]},
            },
            dict(rows["fits"]),
            {row[:3] for row in (*rows["items"], *rows["abilities"]) if row[1] != "v1"},
        )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(operations, min_size=1, max_size=12))
def test_the_newest_accepted_day_wins_and_nothing_else_is_touched(template, steps):
    platform = Platform(new_database(template))
    for name, *arguments in steps:
        getattr(platform, name.replace(" ", "_"))(*arguments)
        assert platform.seen() == (platform.model.tables, platform.model.fits, platform.others), (name, *arguments)
