"""The check of newly flagged items: each item and flag once."""

from datetime import date

import pandas as pd

from seedtest_assets.checks.flagged_items import flagged_items
from seedtest_assets.checks.judgement import Verdict
from seedtest_assets_tests.features.test_flagging import SOUND

DAY = date(2025, 3, 20)


def statistics(**flags) -> pd.DataFrame:
    return pd.DataFrame([SOUND | {"item_id": item, "flags": names} for item, names in flags.items()])


def test_a_flag_that_an_item_never_had_warns_and_names_it():
    items = statistics(q1=[], q2=["too_easy", "misfit"], q3=["key_suspect"])
    judgement = flagged_items(DAY, items, {("q3", "key_suspect"), ("q2", "misfit")}, [2, 2])
    assert judgement.verdict == Verdict.WARN
    assert judgement.finding == "1 item got a new flag: q2 (too_easy)"
    assert judgement.numbers == {"items": 3, "items_that_need_a_person": 2, "items_with_a_new_flag": 1}
    assert judgement.worst["reason"].tolist() == ["60% of its points are earned, so that it measures next to nothing."]
    assert "seedtest items --date 2025-03-20" in judgement.advice
    assert list(judgement.history.values) == [2, 2, 2]


def test_known_flags_and_provisional_items_do_not_warn():
    items = statistics(q1=["provisional"], q3=["key_suspect"])
    judgement = flagged_items(DAY, items, {("q3", "key_suspect")}, [1])
    assert judgement.passed
    assert judgement.finding == "1 item with flags, none of them new"


def test_the_first_statistics_have_nothing_to_compare_with():
    judgement = flagged_items(DAY, statistics(q3=["key_suspect"]), set(), [])
    assert judgement.passed
    assert judgement.finding == "the first statistics: 1 item with flags"
