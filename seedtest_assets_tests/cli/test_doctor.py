"""`seedtest doctor` on real databases: what it finds, and that it changes nothing."""

import re
from dataclasses import replace
from datetime import datetime, time, timedelta, timezone

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets.cli.doctor.diagnosis import diagnose, judge_anchors
from seedtest_assets.cli.doctor.finding import DoctorFinding
from seedtest_assets.cli.doctor.move import judge_old_jobs
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.database import Database, migrate
from seedtest_assets.storage.platform_facts import AnchorQuestion, platform_facts
from seedtest_assets.storage.publications import PublicationState
from seedtest_assets_tests.conftest import ROOT, execute, new_database, rows_of
from seedtest_assets_tests.takeover.platform import DAY, make_platform

NOW = datetime.combine(DAY, time(12), timezone.utc)
"""The old job ran at 03:10 of this day."""


@pytest.fixture(scope="module")
def platform_template(template) -> str:
    """The name of a database of a platform that the old job filled last night, to copy from."""
    database = new_database(template, like="template0")
    make_platform(database, "A", "attempt")
    return sa.make_url(database.url).database


@pytest.fixture
def old_platform(template, platform_template, tmp_path, monkeypatch):
    """A platform that the old job filled last night."""
    database = new_database(template, like=platform_template)
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("SEEDTEST_LAKE", str(tmp_path / "lake"))
    return database


def findings(database: Database, environment=None, **settings) -> dict[str, list[DoctorFinding]]:
    chosen = load_settings(database_url=database.url, **settings)
    by_subject: dict[str, list[DoctorFinding]] = {}
    for finding in diagnose(platform_facts(database, chosen), chosen, environment or {}, NOW):
        by_subject.setdefault(finding.subject, []).append(finding)
    return by_subject


def as_role(database: Database, role: str) -> Database:
    if not rows_of(database, "SELECT FROM pg_roles WHERE rolname = :role", role=role):
        execute(database, f"CREATE ROLE {role} LOGIN")
    return replace(database, url=sa.make_url(database.url).set(username=role).render_as_string(hide_password=False))


def test_a_platform_ready_to_move_in_has_no_red_line(old_platform):
    results = findings(old_platform)
    assert {finding.level for lines in results.values() for finding in lines} == {"green", "yellow"}
    assert "a view over exam_results" in results["source"][0].text
    assert "(variant A)" in results["student_topic_theta"][0].text
    assert "student ids as the view attempt has them" in results["ids"][0].text
    assert results["anchors"][0].text == "8 usable of 8 tagged"
    (old_jobs,) = results["old jobs"]
    assert old_jobs.level == "yellow"
    for name in (
        "irt-fit-0",
        "calibrate-irt",
        "mirt-calibrate",
        "aggregate-features-daily (02:25)",
        "aggregate-features-daily-r (02:30)",
    ):
        assert name in old_jobs.text


def test_the_command_prints_levels_as_words_and_changes_nothing(old_platform, tmp_path, monkeypatch):
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.chdir(tmp_path)
    tables = "SELECT schemaname, tablename FROM pg_tables ORDER BY 1, 2"
    before = rows_of(old_platform, tables)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("green ")
    assert {line.split()[0] for line in result.output.splitlines()} == {"green", "yellow"}
    assert rows_of(old_platform, tables) == before
    assert not (tmp_path / ".seedtest").exists()
    execute(old_platform, "ALTER TABLE mirt_ability DROP CONSTRAINT pk_mirt_ability_user_version")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert (
        "red     mirt_ability          cannot be published to: it has no unique key on exactly (user_id, version)"
        in result.output
    )


def test_an_embedded_database_that_was_never_started_is_yellow_and_stays_so(tmp_path, monkeypatch):
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert result.output.startswith("yellow  database  there is none yet. Set DATABASE_URL to the platform's")
    assert not (tmp_path / ".seedtest").exists()


def test_a_database_out_of_reach_is_one_red_line(tmp_path, monkeypatch):
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/none")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert result.output.startswith("red ")
    assert "secret" not in result.output


def test_the_grants_it_prints_are_all_that_is_missing(old_platform):
    role = as_role(old_platform, "role_without_rights")
    execute(old_platform, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    results = findings(role, irt_update_question_meta=True)
    assert {subject for subject, lines in results.items() if any(line.level == "red" for line in lines)} == {
        "history", "source", "rights", "anchors",
    }  # fmt: skip
    for finding in (*results["history"], *results["rights"]):
        for statement in finding.statements:
            execute(old_platform, statement)
    mended = findings(role, irt_update_question_meta=True)
    assert not [line for lines in mended.values() for line in lines if line.level == "red"]
    migrate(role)


def test_a_question_id_that_is_no_number_is_red_with_the_exam_and_the_source_to_use(old_platform):
    execute(
        old_platform,
        "INSERT INTO exam_results (session_id, user_id, result_json, updated_at) VALUES ('old-exam', 's-9', "
        """'{"questions": [{"question_id": "Q-9"}, {"question_id": 3}]}', now() - interval '200 days')""",
    )
    (line,) = findings(old_platform)["source"]
    assert line.level == "red"
    assert "question_id 'Q-9' in session old-exam" in line.text
    assert "SEEDTEST_ATTEMPT_SOURCE=exam_results" in line.text
    (line,) = findings(old_platform, seedtest_attempt_source="exam_results")["source"]
    assert line.level == "green"
    (ids,) = findings(old_platform, seedtest_attempt_source="exam_results")["ids"]
    assert "student ids as the view attempt has them, and all" in ids.text


def test_missing_marks_that_the_view_turns_into_wrong_ones_are_counted(old_platform):
    execute(
        old_platform,
        "INSERT INTO exam_results (session_id, user_id, result_json) VALUES ('x', 's-9', "
        """'{"questions": [{"question_id": 2}, {"question_id": 3}]}')""",
    )
    text = " ".join(line.text for line in findings(old_platform)["source"])
    assert "2 answers in exam_results have no mark" in text


STUB = """
CREATE TABLE responses AS
SELECT user_id, 1 AS item_id, true AS is_correct, updated_at AS responded_at FROM exam_results;
DROP VIEW attempt;
CREATE VIEW attempt AS
SELECT NULL::uuid AS student_id, NULL::bigint AS item_id, NULL::boolean AS correct, NULL::timestamptz AS completed_at
WHERE false
"""


def test_a_stub_view_beside_a_full_table_is_a_warning(old_platform):
    for statement in STUB.split(";"):
        execute(old_platform, statement)
    (line,) = findings(old_platform)["source"]
    assert line.level == "yellow"
    assert "SEEDTEST_ATTEMPT_SOURCE=responses" in line.text


def test_ids_that_no_reader_knows_are_a_warning(old_platform):
    execute(old_platform, "UPDATE mirt_ability SET user_id = 'user-' || user_id")
    (line,) = findings(old_platform)["ids"]
    assert line.level == "yellow"
    assert "Readers that ask for another id find nothing new" in line.text


def test_unusable_anchors_are_named():
    good, bad = ({"a": "1.0", "b": "0.2", "c": None}, {"a": "1.0", "b": "NaN", "c": None})
    anchors = [AnchorQuestion(item_id=str(n), **(bad if n == 3 else good)) for n in range(7)]
    finding = judge_anchors({"meta": "jsonb"}, anchors)
    assert finding.level == "yellow"
    assert finding.text == "6 usable of 7 tagged. Without usable irt values: 3"
    assert "At least 2 are needed" in judge_anchors({"meta": "jsonb"}, anchors[:1]).text


def test_anchors_with_steps_are_usable_without_b(old_platform):
    execute(old_platform, "UPDATE question SET meta = '{}'")
    for n, irt in enumerate(
        (
            '{"a": 1, "b": 0}',
            '{"a": 1, "b_1": -0.5, "b_2": 0.5, "model": "GRM"}',
            '{"a": 1, "b_1": null, "b_2": 0.5, "model": "gpcm"}',
            '{"a": 1, "b_1": 0.5, "b_2": -0.5, "model": "GRM"}',
            '{"a": 1, "b_1": 0.5}',
            '{"a": 1, "b_1": "easy", "model": "GRM"}',
        ),
        start=101,
    ):
        execute(
            old_platform,
            "INSERT INTO question (id, content, meta) VALUES (:id, 'essay', jsonb_build_object('tags', '[\"anchor\"]'::jsonb, 'irt', CAST(:irt AS jsonb)))",
            id=n,
            irt=irt,
        )
    (finding,) = findings(old_platform)["anchors"]
    assert finding.text.startswith("3 usable of 6 tagged. Without usable irt values: 104, 105, 106")


def test_points_that_the_view_does_not_give_are_counted(old_platform):
    execute(
        old_platform,
        "INSERT INTO exam_results (session_id, user_id, result_json) VALUES ('x', 's-9', "
        """'{"questions": [{"question_id": 2, "is_correct": false, "score": 1, "points": 2},
        {"question_id": 3, "is_correct": true, "score": 2, "points": 2}, {"question_id": 4, "score": "?", "points": 2}]}')""",
    )
    text = " ".join(line.text for line in findings(old_platform)["source"])
    assert "exam_results has 1 answer with a part of the points, which attempt does not give" in text
    assert "a part of" not in str(findings(old_platform, seedtest_attempt_source="exam_results")["source"])


def test_an_old_job_that_stopped_is_no_warning(old_platform):
    execute(old_platform, "UPDATE mirt_fit_meta SET fitted_at = :at", at=NOW - timedelta(days=3))
    (line,) = findings(old_platform)["old jobs"]
    assert (line.level, line.text.split(",")[0]) == ("green", "the calibration job has stopped")


def test_an_old_job_that_writes_after_our_newest_publication_is_named(old_platform):
    facts = platform_facts(old_platform, load_settings())
    fit = facts.foreign_fit
    state = PublicationState(
        published=DAY,
        published_at=fit.fitted_at - timedelta(hours=1),
        published_by="seedtest",
        reason="the newest day",
        pinned=None,
        newest_accepted=DAY,
        old_job=DAY,
    )
    finding = judge_old_jobs(replace(facts, publication=state), NOW)
    assert finding.level == "yellow"
    assert finding.text.startswith("another job still writes after our newest publication: its last fit is irt-fit-0")


def test_settings_that_differ_from_the_old_jobs_are_named(old_platform):
    environment = {"IRT_MODEL": "1PL", "DRY_RUN": "true", "AGG_INCLUDE_THETA": "true", "METRICS_USE_IRT_THETA": "true"}
    texts = [line.text for line in findings(old_platform, environment, mirt_max_obs=500)["settings"]]
    assert texts == [
        "IRT_MODEL is an old name of MIRT_MODEL. Its value 1PL is used. Set MIRT_MODEL instead",
        "DRY_RUN has no effect here: SEEDTEST_PUBLISH=false writes history only",
        "MIRT_MAX_OBS=500 keeps the newest answers of the window, where the old job kept the oldest",
        "MIRT_LOOKBACK_DAYS is unset: 60 here, 30 in the old job. Set it to keep the old value",
    ]


def test_a_name_that_is_no_setting_is_told_with_the_one_that_is_near(old_platform):
    environment = {"SEEDTEST_LAK": "lake", "MIRT_MODEL": "2PL", "MIRT_TOPIC_ID": "1", "IRT_MODEL": "2PL", "OTHER": "x"}
    texts = [line.text for line in findings(old_platform, environment)["settings"]]
    assert [text for text in texts if "no setting" in text] == [
        "SEEDTEST_LAK is no setting, and has no effect. Did you mean SEEDTEST_LAKE?"
    ]


def test_a_new_database_has_no_old_job_to_compare_with(platform):
    results = findings(platform)
    assert "settings" not in results
    assert results["old jobs"][0].level == "green"


def test_shadow_is_a_warning(old_platform):
    (line,) = findings(old_platform, seedtest_publish=False)["publishing"]
    assert (line.level, line.text) == ("yellow", "shadow (SEEDTEST_PUBLISH=false), nothing of ours is published yet")


def test_a_missing_table_is_not_promised_where_nobody_will_make_it(old_platform):
    execute(old_platform, "DROP TABLE features_topic_daily")
    reader = as_role(old_platform, "reader_in_shadow")
    execute(old_platform, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    (shadow,) = findings(reader, seedtest_publish=False)["features_topic_daily"]
    assert (shadow.level, shadow.text) == ("green", "absent, and not needed while SEEDTEST_PUBLISH=false")
    (publishing,) = findings(reader)["features_topic_daily"]
    assert publishing.level == "red"


def test_writing_back_to_questions_needs_the_table(old_platform):
    assert "question.meta" not in findings(old_platform, irt_update_question_meta=True)
    execute(old_platform, "DROP TABLE question CASCADE")
    assert "question.meta" not in findings(old_platform)
    (finding,) = findings(old_platform, irt_update_question_meta=True)["question.meta"]
    assert finding.level == "red"
    assert "IRT_UPDATE_QUESTION_META" in finding.text


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ({}, 0, r"^green +Dask cluster +tcp://\S+ has 2 workers with 2 threads, of our versions$"),
        (
            {"R_IRT_BASE_URL": "http://irt"},
            1,
            r"^red +Dask cluster +SEEDTEST_DASK=\S+ and R_IRT_BASE_URL=http://irt are both set",
        ),
    ],
)
def test_a_cluster_is_looked_at(old_platform, monkeypatch, dask_cluster, settings, code, text):
    for name, value in {"SEEDTEST_DASK": dask_cluster.scheduler_address, **settings}.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == code
    assert re.search(text, result.output, re.MULTILINE)
