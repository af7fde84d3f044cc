"""An answer that belongs to several topics counts once in calibration and in each of its topics' features."""

import json
from datetime import date, datetime, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seedtest_assets import irt
from seedtest_assets.features.daily import features_for_day
from seedtest_assets.features.topic_theta import topic_theta
from seedtest_assets.features.topics_of_answers import active_pairs
from seedtest_assets.settings import load_settings
from seedtest_assets.storage.abilities import OVERALL_THETA_SCHEMA, TOPIC_THETA_SCHEMA
from seedtest_assets.storage.answer_files import read_answer_file
from seedtest_assets.storage.database import prepared_database
from seedtest_assets.storage.importing import import_answers
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA, usable_answers
from seedtest_assets.storage.sources import find_source
from seedtest_assets.table_shards import TableShards
from seedtest_assets.topic_lists import in_one_form, topics_of
from seedtest_assets_tests.conftest import execute, rows_of

DAY = date(2025, 3, 9)
NOON = datetime(2025, 3, 9, 12, tzinfo=timezone.utc)
ITEMS = pd.DataFrame({"item_id": [f"i{n}" for n in range(6)], "a": 1.2, "b": np.linspace(-1, 1, 6), "c": 0.0})
BOTH = '["algebra","geometry"]'


def answers_of(*rows) -> pa.Table:
    """Answers; each row changes a sound one."""
    sound = {"student_id": "s", "item_id": "i0", "topic_id": "algebra", "correct": True, "completed_at": NOON}
    return pa.Table.from_pylist([sound | row for row in rows], OBSERVATION_SCHEMA)


@pytest.mark.parametrize(
    ("text", "in_one_form"),
    [
        ('["geometry", " algebra ", "algebra"]', BOTH),
        ('["algebra"]', "algebra"),
        ("[]", None),
        ("[1, 2]", '["1","2"]'),
        ('["algebra"', '["algebra"'),
        ("[algebra]", "[algebra]"),
        ("algebra", "algebra"),
    ],
)
def test_equal_lists_are_written_alike(text, in_one_form):
    assert usable_answers(answers_of({"topic_id": text})).table["topic_id"].to_pylist() == [in_one_form]


def test_rows_that_differ_in_the_topic_alone_are_one_answer():
    rows = [{"topic_id": topic} for topic in ("geometry", "algebra", "algebra", BOTH, None)]
    checked = usable_answers(
        answers_of(*rows, {"item_id": "i1"}, {"item_id": "i1", "topic_id": "sets", "correct": False})
    )
    topics = dict(zip(checked.table["item_id"].to_pylist(), checked.table["topic_id"].to_pylist(), strict=True))
    assert topics == {"i0": BOTH, "i1": "sets"}  # of two marks the incorrect one counts, with its own topic
    assert checked.n_further_topics == 1
    assert checked.left_out == {"the same student, item and time twice": 4}


def test_files_have_a_row_a_topic_or_a_list(tmp_path):
    long = "user_id,item_id,is_correct,completed_at,topic_id\nu,q,1,2025-03-09,algebra\nu,q,1,2025-03-09,geometry\n"
    (tmp_path / "rows.csv").write_text(long)
    file = read_answer_file(tmp_path / "rows.csv")
    assert file.answers["topic_id"].to_pylist() == [BOTH]
    assert not len(file.bad)
    assert (file.n_rows, file.notes) == (2, ["1 row named a further topic of the same answer"])
    quoted = BOTH.replace('"', '""')
    (tmp_path / "list.csv").write_text(
        f'user_id,item_id,is_correct,completed_at,topic_id\nu,q,1,2025-03-09,"{quoted}"\n'
    )
    assert read_answer_file(tmp_path / "list.csv").answers["topic_id"].to_pylist() == [BOTH]
    rows = {"user_id": ["u"], "item_id": ["q"], "is_correct": [1], "completed_at": [NOON]}
    pq.write_table(pa.table(rows | {"topic_id": [["geometry", "algebra"]]}), tmp_path / "list.parquet")
    assert read_answer_file(tmp_path / "list.parquet").answers["topic_id"].to_pylist() == [BOTH]


def test_a_null_or_blank_in_a_list_is_no_topic(tmp_path):
    rows = {"user_id": ["u"] * 3, "item_id": ["q1", "q2", "q3"], "is_correct": [1] * 3, "completed_at": [NOON] * 3}
    pq.write_table(pa.table(rows | {"topic_id": [["a", None], [None, " "], [" a ", "b"]]}), tmp_path / "list.parquet")
    assert read_answer_file(tmp_path / "list.parquet").answers["topic_id"].to_pylist() == ["a", None, '["a","b"]']


@pytest.mark.parametrize("text", ['["\\ud800"]', "[" * 999, '["a\\u0000b","c"]'])
def test_a_list_of_what_is_no_text_is_one_topic_of_that_name(text):
    assert topics_of(text) == [text]
    assert in_one_form(pa.array([text])).to_pylist() == [text]


def test_an_answer_may_belong_to_more_topics_than_a_byte_counts():
    many = irt.TopicAnswers([0] * 300, range(300), [0] * 300, [1] * 300, [300] * 300)
    assert many.n_topics.max() == 300


@pytest.mark.parametrize("kind", ["text", "text[]", "jsonb", "json"])
def test_columns_of_topics_of_any_type_are_filled_and_read(platform, monkeypatch, tmp_path, kind):
    execute(platform, "ALTER TABLE attempt ALTER COLUMN topic_id DROP NOT NULL")
    execute(platform, "ALTER TABLE attempt DROP COLUMN topic_id CASCADE")
    execute(platform, f"ALTER TABLE attempt ADD COLUMN topic_id {kind}")
    log = pd.DataFrame({"student_id": "s", "item_id": ["i0", "i1", "i2"], "correct": True, "completed_at": NOON})
    log["topic_id"] = [BOTH, "sets", None]
    log.to_parquet(tmp_path / "log.parquet")
    monkeypatch.setenv("SEEDTEST_ATTEMPT_SOURCE", "attempt")
    settings = load_settings()
    assert import_answers(tmp_path / "log.parquet", settings).n_new == 3
    source = find_source(settings, prepared_database(settings))
    ((_, answers),) = source.answers_by_day(DAY, DAY)
    assert answers.table.sort_by("item_id")["topic_id"].to_pylist() == [BOTH, "sets", None]
    assert source.counts(DAY, DAY) == {DAY: 3}
    if kind in ("json", "jsonb"):  # a null of JSON is none of SQL
        execute(platform, "UPDATE attempt SET topic_id = 'null' WHERE item_id = 'i1'")
        ((_, answers),) = source.answers_by_day(DAY, DAY)
        assert answers.table.sort_by("item_id")["topic_id"].to_pylist() == [BOTH, None, None]
    if kind == "jsonb":
        assert rows_of(platform, "SELECT topic_id FROM attempt WHERE item_id = 'i0'") == [(json.loads(BOTH),)]


def test_a_row_a_topic_in_a_table_is_one_answer_in_the_day_and_in_its_count(platform, monkeypatch):
    execute(platform, "ALTER TABLE attempt DROP CONSTRAINT attempt_pkey")
    for topic in ("algebra", "geometry"):
        execute(
            platform,
            "INSERT INTO attempt (student_id, item_id, correct, completed_at, topic_id) VALUES ('s', 'i', true, :at, :topic)",
            at=NOON,
            topic=topic,
        )
    monkeypatch.setenv("SEEDTEST_ATTEMPT_SOURCE", "attempt")
    settings = load_settings()
    source = find_source(settings, prepared_database(settings))
    ((_, answers),) = source.answers_by_day(DAY, DAY)
    assert answers.table["topic_id"].to_pylist() == [BOTH]
    assert (answers.n_further_topics, answers.left_out, source.counts(DAY, DAY)) == (1, {}, {DAY: 1})


def window(topics) -> pa.Table:
    rows = [{"item_id": f"i{n}", "topic_id": topic, "correct": n % 3 > 0} for n, topic in enumerate(topics)]
    return answers_of(*rows)


def test_topics_have_their_answers_and_the_student_has_each_once():
    several = window([BOTH, BOTH, "algebra", "sets", None, BOTH])
    rows = topic_theta(TableShards.here([several]), several, ITEMS, 0.0, 1.0).rows.to_pandas().set_index("topic_id")
    assert rows["n_responses"].to_dict() == {"algebra": 4, "geometry": 3, "sets": 1}
    # With one student tau is 0: each topic has the ability and the error of all answers, each of which counts once.
    parameters = irt.ItemParameters(np.arange(6), ITEMS["a"], ITEMS["b"], ITEMS["c"])
    once = irt.topic_abilities(irt.TopicAnswers([0] * 6, [0] * 6, range(6), several["correct"]), parameters, tau=0.0)
    assert rows["theta"].tolist() == pytest.approx([once.theta[0]] * 3, abs=1e-6)
    assert rows["se"].tolist() == pytest.approx([once.se[0]] * 3, abs=1e-6)


def test_features_have_the_answer_in_each_of_its_topics(tmp_path):
    day = answers_of({"topic_id": BOTH}, {"item_id": "i1", "correct": False}, {"item_id": "i2", "topic_id": '["odd id'})
    assert active_pairs(day)["topic_id"].to_pylist() == ['["odd id', "algebra", "geometry"]
    rows = features_for_day(DAY, day, TOPIC_THETA_SCHEMA.empty_table(), OVERALL_THETA_SCHEMA.empty_table()).to_pylist()
    assert [(row["topic_id"], row["attempts"], row["correct"]) for row in rows] == [
        ('["odd id', 1, 1),
        ("algebra", 2, 1),
        ("geometry", 1, 1),
    ]
