"""A platform that is taken over: whoever reads and writes its tables goes on, and reads the newest night.

Each platform goes through all of it once; the tests look at what was kept of each step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from types import NoneType

import dagster as dg
import pytest

from seedtest_assets.cli.run_days import DayRun
from seedtest_assets.storage.database import Database
from seedtest_assets_tests.conftest import ROOT, rows_of
from seedtest_assets_tests.school import run_night
from seedtest_assets_tests.takeover import server
from seedtest_assets_tests.takeover.platform import (
    DAY,
    N_DAYS,
    PUBLISHED,
    Contents,
    Outcome,
    broken,
    contents,
    hashed,
    make_platform,
    platform_id,
    run_statement,
    shape,
    small_platform,
    statements,
)

pytestmark = pytest.mark.usefixtures("without_pictures")

OLD_DAY = DAY - timedelta(days=3)
PLATFORMS = [("B", "attempt"), ("A", "exam_results"), ("B", "responses")]
"""Variant of student_topic_theta, source of the answers; the first goes through the most nights."""
IN_HISTORY = {
    "mirt_item_params": ("item_history", "item_id"),
    "mirt_ability": ("ability_history", "student_id, 'v1'"),
    "mirt_fit_meta": ("fit_history", "run_id"),
    "student_topic_theta": ("topic_theta_history", "student_id, topic_id"),
    "features_topic_daily": ("feature_history", "student_id, topic_id, partition_date"),
}
OF_TABLES = ("theta_coverage", "keys_unique", "no_nulls", "values_in_range")


def named(platform: tuple[str, str]) -> str:
    return f"{server.KIND}-{'-'.join(platform)}"


def on(*platforms: tuple[str, str]) -> pytest.MarkDecorator:
    """Run a test on some of the platforms: not every one goes through every night."""
    return pytest.mark.parametrize("takeover", platforms, ids=named, indirect=True)


@dataclass
class Takeover:
    """A platform, as its own programs see it (`platform`) and as the project does (`ours`); and what each step left."""

    variant: str
    source: str
    platform: Database
    ours: Database
    parameters: dict = field(default_factory=dict)
    runs: dict[str, DayRun] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    contents: dict[str, Contents] = field(default_factory=dict)
    calibrated: dict[str, set[tuple]] = field(default_factory=dict)
    shape_before: set[tuple] = field(default_factory=set)
    questions_before: dict[int, dict] = field(default_factory=dict)
    began_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def run(self, *kinds: str) -> dict[str, Outcome]:
        return {
            statement.name: run_statement(self.platform, statement, self.parameters)
            for statement in statements(self.variant, self.source, *kinds)
        }

    def keep(self, step: str) -> None:
        self.outcomes[step] = self.run("read")
        self.contents[step] = contents(self.platform)

    def night(self, step: str, instance: dg.DagsterInstance, day: date) -> None:
        self.runs[step] = run_night(instance, day)
        self.keep(step)


@pytest.fixture(scope="module")
def postgres() -> Iterator[server.Server]:
    with server.running_server() as running:
        yield running


@pytest.fixture(scope="module", params=PLATFORMS, ids=named)
def takeover(request, postgres, tmp_path_factory) -> Takeover:
    variant, source = request.param
    made = start(postgres, variant, source)
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        environment.setenv("DATABASE_URL", made.ours.url)
        environment.setenv("SEEDTEST_LAKE", str(tmp_path_factory.mktemp("lake")))
        environment.setenv("SEEDTEST_START_DATE", str(DAY - timedelta(days=N_DAYS - 1)))
        environment.setenv("MIRT_LOOKBACK_DAYS", "10")
        environment.setenv("IRT_UPDATE_QUESTION_META", str(variant == "A"))
        made.keep("before")
        if source == "attempt":
            made.night("old day first", instance, OLD_DAY)
        made.night("night", instance, DAY)
        made.calibrated = calibrated(made.ours)
        made.outcomes["writers"] = made.run("write")
        made.keep("written")
        if source == "attempt":
            made.night("night again", instance, DAY)
        if source != "responses":
            made.night("old day again", instance, OLD_DAY)
        made.outcomes["way back"] = made.run("old_job", "read")
    return made


def start(postgres: server.Server, variant: str, source: str) -> Takeover:
    """Make the platform's database, and the role that the project works as."""
    name = f"takeover_{variant}_{source}".lower()
    with Database(postgres.url).session() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    platform = Database(postgres.url_of(name))
    make_platform(platform, variant, source)
    role = ROOT / "deploy" / "postgres" / "role.sql"
    postgres.psql(name, "-v", f"update_questions={str(variant == 'A').lower()}", "-f", str(role))
    made = Takeover(variant, source, platform, Database(postgres.url_of(name, "seedtest")))
    made.shape_before = shape(platform)
    made.parameters = {"user": a_student(), "topic": "topic-01", "day": DAY, "items": ["1", "2", "24"], "item": 1}
    made.questions_before = questions(platform)
    return made


def a_student() -> str:
    """Who answered a question of topic-01 on DAY, and has a UUID."""
    answers = small_platform().answers.to_pandas()
    of_day = answers[(answers["completed_at"].dt.date == DAY) & (answers["topic_id"] == "topic-01")]
    return min(platform_id(student) for student in of_day["student_id"] if platform_id(student) != student)


def calibrated(database: Database) -> dict[str, set[tuple]]:
    """{published table: keys} of what the night of DAY calibrated, as its history has it."""
    return {
        table: set(rows_of(database, f"SELECT {key} FROM {history} WHERE partition_date = :day", day=DAY))
        for table, (history, key) in IN_HISTORY.items()
    }


def questions(database: Database) -> dict[int, dict]:
    return dict(rows_of(database, "SELECT id, meta FROM question"))


def test_every_night_succeeds_and_finds_nothing_wrong_with_rows_of_others(takeover):
    assert {step: run.failure for step, run in takeover.runs.items() if run.failure} == {}
    assert [line for run in takeover.runs.values() for line in run.failed_checks if line.split()[1] in OF_TABLES] == []


def test_no_statement_of_a_reader_breaks_at_any_step(takeover):
    before = takeover.outcomes["before"]
    assert {name: outcome for name, outcome in before.items() if outcome.error or not outcome.rows} == {}
    for step in takeover.contents:
        assert broken(before, takeover.outcomes[step]) == {}, step


def test_the_platforms_own_writers_go_on(takeover):
    outcomes = takeover.outcomes["writers"]
    assert {name: outcome for name, outcome in outcomes.items() if outcome.error or not outcome.rows} == {}


def test_the_job_before_works_on_what_is_left(takeover):
    outcomes = takeover.outcomes["way back"]
    assert {name: outcome for name, outcome in outcomes.items() if outcome.error or not outcome.rows} == {}
    assert rows_of(takeover.platform, "SELECT theta FROM mirt_ability WHERE user_id = :user AND version = 'v1'",
                   user=takeover.parameters["user"]) == [(0.1,)]  # fmt: skip


def test_no_table_column_key_or_index_of_the_platform_changes_and_none_is_added(takeover):
    assert shape(takeover.platform) == takeover.shape_before


def test_what_the_night_calibrated_is_new_and_everything_else_is_as_it_was(takeover):
    before, after, calibrated = takeover.contents["before"], takeover.contents["night"], takeover.calibrated
    for table in PUBLISHED:
        assert set(after[table]) == set(before[table]) | calibrated[table], table
        assert calibrated[table], table
        for key, row in after[table].items():
            assert (row == before[table].get(key)) == (key not in calibrated[table]), (table, key)


def test_published_rows_are_of_this_fit_under_the_version_that_readers_ask_for(takeover):
    after, calibrated = takeover.contents["night"], takeover.calibrated
    (fit,) = (after["mirt_fit_meta"][key] for key in calibrated["mirt_fit_meta"])
    assert set(fit["model_spec"]["linking_constants"]) >= {"A", "B", "n_anchors_used"}
    assert fit["fitted_at"] >= takeover.began_at
    assert fit == max(after["mirt_fit_meta"].values(), key=lambda row: row["fitted_at"])
    for table in ("mirt_item_params", "mirt_ability", "student_topic_theta"):
        for key in calibrated[table]:
            row = after[table][key]
            if "updated_at" in row:
                assert row["updated_at"] >= takeover.began_at
            else:
                assert (row["version"], row["model"]) == ("v1", "2PL")
                assert row["fitted_at"] >= fit["fitted_at"]
    for key in calibrated["mirt_item_params"]:
        assert {"a", "b"} <= set(after["mirt_item_params"][key]["params"])


def test_students_have_the_ids_that_readers_ask_for(takeover):
    answers = small_platform().answers.to_pandas()
    of_window = answers[answers["completed_at"].dt.date > DAY - timedelta(days=10)]
    expected = {platform_id(student) for student in of_window["student_id"]}
    if takeover.source == "attempt":
        expected = {student if len(student) == 36 else hashed(student) for student in expected}
    assert {user for user, _ in takeover.calibrated["mirt_ability"]} == expected


def test_counts_of_a_day_are_those_of_the_platforms_statement(takeover):
    """The platform's aggregation runs after the night and finds nothing to change."""
    names = ("attempts", "correct", "hints", "avg_time_ms", "rt_median")
    night, written = (takeover.contents[step]["features_topic_daily"] for step in ("night", "written"))
    user, topic = takeover.parameters["user"], takeover.parameters["topic"]
    for key in takeover.calibrated["features_topic_daily"] - {(user, topic, DAY)}:
        assert {type(night[key][name]) for name in names} <= {int, NoneType}
        assert [night[key][name] for name in names] == [written[key][name] for name in names], key


@on(PLATFORMS[0])
def test_a_day_older_than_the_last_of_the_job_before_is_kept_for_itself(takeover):
    assert takeover.contents["old day first"] == takeover.contents["before"]
    assert rows_of(takeover.ours, "SELECT count(*) FROM fit_history WHERE partition_date = :day", day=OLD_DAY) == [(1,)]


@on(*PLATFORMS[:2])
def test_an_old_day_that_is_run_again_changes_nothing_that_readers_see(takeover):
    *_, before, after = takeover.contents.values()
    assert "old day again" in takeover.contents
    assert after == before


@on(PLATFORMS[0])
def test_a_night_again_replaces_its_own_rows_and_leaves_those_of_the_writers(takeover):
    written, again, calibrated = (
        takeover.contents["written"],
        takeover.contents["night again"],
        takeover.calibrated,
    )
    user = takeover.parameters["user"]
    assert written["mirt_ability"][user, "v1"]["theta"] == 0.778
    assert again["mirt_ability"][user, "v1"]["theta"] == pytest.approx(
        takeover.contents["night"]["mirt_ability"][user, "v1"]["theta"], abs=1e-3
    )
    for table, rows in written.items():
        assert set(rows) - set(again[table]) == set(), table
        for key in set(rows) - calibrated[table]:
            assert again[table][key] == rows[key], (table, key)


def test_questions_get_parameters_where_that_is_switched_on_and_anchors_keep_theirs(takeover):
    before, after = takeover.questions_before, questions(takeover.platform)
    anchors = {number for number, meta in before.items() if "anchor" in meta["tags"]}
    assert {number: meta["irt"] for number, meta in after.items() if number in anchors} == {
        number: before[number]["irt"] for number in anchors
    }
    others = {number: meta.get("irt") for number, meta in after.items() if number not in anchors}
    if takeover.variant == "A":
        assert {irt["version"] for irt in others.values()} == {"v1"}
        recent = "SELECT id FROM question WHERE updated_at >= :at AND NOT meta->'tags' ? 'anchor'"
        assert {number for (number,) in rows_of(takeover.platform, recent, at=takeover.began_at)} == set(others)
    else:
        assert set(others.values()) == {None}
