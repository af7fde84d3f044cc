"""Features of items, as `question` has them."""

import pytest

from seedtest_assets.errors import InputError
from seedtest_assets.storage.item_features import item_features

QUESTIONS = """
INSERT INTO question (id, content, topic_id, meta) VALUES
    (1, '', 'algebra', '{"type": "choice", "level": 2.5, "tags": ["anchor", "new"], "irt": {"a": 1, "b": 0}}'),
    (2, '', '["algebra","geometry"]', '{"type": " open ", "level": null, "tags": [{"x": 1}]}'),
    (3, '', NULL, '{"tags": ["new", null, 2]}'),
    (4, '', 'geometry', '[1]')
"""


@pytest.fixture
def questions(platform):
    with platform.bulk_transaction() as cursor:
        cursor.execute(QUESTIONS)
    return platform


def test_topic_and_keys_of_meta_are_read_as_they_are(questions):
    read = item_features(questions, ["topic_id", "type", "level", "tags"])
    assert read.items.to_dict("list") == {
        "item_id": ["1", "2", "3", "4"],
        "topic_id": [["algebra"], ["algebra", "geometry"], None, ["geometry"]],
        "type": ["choice", "open", None, None],
        "level": [2.5, None, None, None],
        "tags": [["anchor", "new"], None, ["new", None, 2], None],
    }
    assert read.warnings == ()


def test_a_feature_that_no_question_has_is_named(questions):
    read = item_features(questions, ["type", "typo", "irt"])
    assert list(read.items) == ["item_id", "type"]
    assert [line.split(" in meta")[0] for line in read.warnings] == [
        f"SEEDTEST_ITEM_FEATURES: no question has a number, text or list {name!r}" for name in ("typo", "irt")
    ]


def test_a_meta_that_is_no_jsonb_is_refused(platform):
    with platform.bulk_transaction() as cursor:
        cursor.execute("ALTER TABLE question ALTER meta TYPE text")
    with pytest.raises(InputError, match=r"question\.meta is text, but jsonb is needed"):
        item_features(platform, ["type"])
