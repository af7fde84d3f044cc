"""What readers see: pinned, in shadow, the newest day, nothing yet."""

from datetime import date, datetime, timezone

import pytest

from seedtest_assets.checks.judgement import Verdict
from seedtest_assets.checks.published import published
from seedtest_assets.storage.publications import PublicationState

DAY, NEWEST = date(2025, 3, 9), date(2025, 3, 12)


def state(seen: date | None, pinned: date | None = None) -> PublicationState:
    return PublicationState(
        published=seen,
        published_at=datetime(2025, 3, 12, 9, tzinfo=timezone.utc) if seen else None,
        published_by="kim" if seen else None,
        reason="wrong keys" if seen else None,
        pinned=pinned,
        newest_accepted=NEWEST,
        old_job=None,
    )


def test_a_pin_warns_and_names_day_person_and_reason():
    judgement = published(state(DAY, pinned=DAY), enabled=True)
    assert judgement.verdict == Verdict.WARN
    assert judgement.finding == (
        "publishing is pinned to 2025-03-09, by kim (wrong keys). The newest accepted day is 2025-03-12"
    )
    assert "seedtest publish --newest" in judgement.advice
    assert judgement.numbers["days_behind"] == 3


@pytest.mark.parametrize(
    ("seen", "enabled", "finding"),
    [(NEWEST, True, "readers see 2025-03-12"), (None, True, "nothing is published yet"), (None, False, "shadow: ")],
)
def test_the_newest_day_shadow_and_nothing_yet_pass(seen, enabled, finding):
    judgement = published(state(seen), enabled=enabled)
    assert judgement.passed
    assert judgement.finding.startswith(finding)
