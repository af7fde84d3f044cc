"""Each check of the scale with data that passes, that just fails, and that has no history."""

import pytest

from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.checks.linking import anchors_present, linking_constants
from seedtest_assets.settings import Settings
from seedtest_assets_tests.checks.made import calibration, fits

LIMITS = Settings()
PASS, WARN, ERROR = Verdict.PASS, Verdict.WARN, Verdict.ERROR


@pytest.mark.parametrize(("n_used", "level"), [(20, PASS), (10, PASS), (9, WARN)])
def test_anchors_that_link_against_the_usual_number(n_used, level):
    judgement = anchors_present(calibration(n_used=n_used), 24, "stocking_lord", fits(calibration()), LIMITS)
    assert judgement.verdict == level


def test_a_calibration_that_lost_the_banks_scale_is_an_error():
    before = fits(calibration())
    for linked_to in ("previous", "none"):
        judgement = anchors_present(calibration(linked_to=linked_to), 0, "stocking_lord", before, LIMITS)
        assert judgement.verdict == ERROR
        assert "through 20 anchors" in judgement.finding


def test_anchors_of_the_bank_that_do_not_link_are_an_error_even_without_history():
    assert anchors_present(calibration(linked_to="none"), 2, "haebara", [], LIMITS).verdict == ERROR
    assert anchors_present(calibration(linked_to="none"), 2, "none", [], LIMITS).passed


def test_a_bank_without_anchors_is_linked_to_the_previous_partition_or_it_is_an_error():
    before = fits(calibration(linked_to="previous"))
    assert anchors_present(calibration(linked_to="previous"), 0, "stocking_lord", before, LIMITS).passed
    assert anchors_present(calibration(linked_to="none"), 0, "stocking_lord", before, LIMITS).verdict == ERROR
    first = anchors_present(calibration(linked_to="none"), 0, "stocking_lord", [], LIMITS)
    assert first.passed
    assert "defines the scale" in first.finding


@pytest.mark.parametrize(
    ("A", "B", "level"),
    [(1.2, 0.5, PASS), (2.39, 0.5, PASS), (2.41, 0.5, WARN), (0.61, 0.5, PASS), (0.59, 0.5, WARN), (1.2, 1.49, PASS),
     (1.2, 1.51, WARN), (1.2, -0.51, WARN)],
)  # fmt: skip
def test_linking_constants_against_the_last_partitions(A, B, level):
    judgement = linking_constants(calibration(A=A, B=B), fits(calibration(A=1.2, B=0.5)), LIMITS)
    assert judgement.verdict == level
    assert list(judgement.history.values) == ([1.2] * 7 + [A] if abs(B - 0.5) <= 1 and level else [0.5] * 7 + [B])


@pytest.mark.parametrize(("A", "B", "level"), [(1.9, 0.9, PASS), (2.1, 0, WARN), (0.4, 0, WARN), (1, -1.1, WARN)])
def test_linking_constants_without_history_against_the_same_scale(A, B, level):
    assert linking_constants(calibration(A=A, B=B), [], LIMITS).verdict == level
    of_another_source = fits(calibration(A=9.0, B=9.0, linked_to="previous"))
    assert linking_constants(calibration(A=A, B=B), of_another_source, LIMITS).verdict == level


def test_no_link_has_no_constants_to_judge():
    assert linking_constants(calibration(linked_to="none"), [], LIMITS).passed


def test_the_picture_shows_the_number_that_failed_beyond_its_limit():
    before = fits(calibration(A=1.2, B=0.5))
    of_a = linking_constants(calibration(A=2.6, B=0.5), before, LIMITS)
    assert (of_a.history.label, of_a.history.values[-1]) == ("A", 2.6)
    of_b = linking_constants(calibration(A=1.2, B=1.6), before, LIMITS)
    assert (of_b.history.label, of_b.history.values[-1]) == ("B", 1.6)
    for judgement in (of_a, of_b):
        assert judgement.verdict == WARN
        assert not min(judgement.history.limits) <= judgement.history.values[-1] <= max(judgement.history.limits)


def test_the_history_is_of_nights_that_were_linked_alike():
    before = [*fits(calibration(linked_to="previous", n_used=90), 4), *fits(calibration(n_used=20), 3)]
    assert list(anchors_present(calibration(n_used=19), 20, "stocking_lord", before, LIMITS).history.values) == [
        20
    ] * 3 + [19]
