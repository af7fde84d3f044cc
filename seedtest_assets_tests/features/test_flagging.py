"""The flags of items, each with numbers that just have it and that just do not."""

import numpy as np
import pandas as pd
import pytest

from seedtest_assets.features.flagging import flags_of
from seedtest_assets.item_flags import FLAGS, reason_of, worst_first
from seedtest_assets.settings import Settings

LIMITS = Settings()
SOUND = {
    "item_id": "i",
    "n_answers": 400,
    "n_rest": 400,
    "share_correct": 0.6,
    "point_biserial": 0.35,
    "reversed_key": False,
    "a": 1.1,
    "b": -0.4,
    "se_b": 0.1,
    "infit": 1.0,
    "outfit": 1.0,
    "rmsd": 0.03,
    "p": 0.4,
    "exposure_7_days": 0.1,
    "anchor_drift": np.nan,
    "n_rarest_score": np.nan,
}


def flags_with(**numbers) -> list[str]:
    """The flags of an item with these numbers among nine sound ones."""
    return flags_of(pd.DataFrame([SOUND | numbers, *[SOUND] * 9]), LIMITS)[0]


@pytest.mark.parametrize(
    ("numbers", "flags"),
    [
        ({}, []),
        ({"point_biserial": -0.20}, ["key_suspect"]),
        ({"point_biserial": -0.10}, ["not_discriminating"]),
        ({"reversed_key": True}, ["key_suspect"]),
        ({"point_biserial": -0.06}, ["not_discriminating"]),
        ({"point_biserial": -0.04}, []),
        ({"point_biserial": np.nan}, []),
        ({"n_rarest_score": 9}, ["rare_score"]),
        ({"n_rarest_score": 10}, []),
        ({"n_rarest_score": 0, "n_answers": 49}, []),
        ({"anchor_drift": 0.41}, ["drifting"]),
        ({"anchor_drift": -0.41}, ["drifting"]),
        ({"anchor_drift": 0.39}, []),
        ({"anchor_drift": 0.24, "se_b": 0.01}, []),
        ({"rmsd": 0.11, "p": 9e-6}, ["misfit"]),
        ({"rmsd": 0.11, "p": 2e-5}, []),
        ({"rmsd": 0.09, "p": 1e-9}, []),
        ({"exposure_7_days": 0.31}, ["overexposed"]),
        ({"exposure_7_days": 0.29}, []),
        ({"share_correct": 0.05}, ["too_hard"]),
        ({"share_correct": 0.06}, []),
        ({"share_correct": 0.99}, ["too_easy"]),
        ({"share_correct": 0.98}, []),
        ({"se_b": 0.31}, ["provisional"]),
        ({"se_b": np.nan, "rmsd": np.nan, "p": np.nan, "a": np.nan, "b": np.nan}, []),
        ({"point_biserial": -0.9, "n_answers": 49, "se_b": 0.6}, ["provisional"]),
        ({"point_biserial": -0.3, "share_correct": 0.02, "rmsd": 0.2, "p": 0.0}, ["key_suspect", "misfit", "too_hard"]),
    ],
)
def test_an_item_has_the_flags_of_its_numbers(numbers, flags):
    assert flags_with(**numbers) == flags


def test_anchors_that_all_moved_alike_do_not_drift_one_by_one():
    moved = pd.DataFrame([SOUND | {"anchor_drift": 0.5}] * 11 + [SOUND | {"anchor_drift": 1.5}])
    assert flags_of(moved, LIMITS) == [[]] * 11 + [["drifting"]]


def test_items_of_a_fixed_form_are_not_overexposed():
    forms = pd.DataFrame([SOUND | {"exposure_7_days": share} for share in (1.0, 0.9, 1.0, 1.0)])
    assert flags_of(forms, LIMITS) == [[]] * 4


def test_every_flag_says_why_and_what_to_do_also_without_numbers():
    unknown = dict.fromkeys(SOUND, np.nan)
    for flag in FLAGS:
        assert flag.action.endswith(".")
        assert "{" not in reason_of(flag.name, SOUND)
        assert "nan" not in reason_of(flag.name, unknown)
    assert "point-biserial 0.35, a 1.10" in reason_of("key_suspect", SOUND)


def test_the_worst_flag_and_then_the_most_answers_come_first():
    rows = [
        ("a", ["too_easy"], 900),
        ("b", [], 999),
        ("c", ["key_suspect"], 60),
        ("d", ["too_easy", "provisional"], 950),
    ]
    items = pd.DataFrame(rows, columns=["item_id", "flags", "n_answers"])
    assert worst_first(items)["item_id"].tolist() == ["c", "d", "a", "b"]
    assert worst_first(items.head(0)).empty
