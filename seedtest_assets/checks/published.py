"""Which day do readers of the platform's tables see?"""

from seedtest_assets.checks.judgement import Judgement, Trend, Verdict
from seedtest_assets.storage.publications import PublicationState


def published(state: PublicationState, *, enabled: bool) -> Judgement:
    """WARN while publishing is pinned to an earlier day. enabled: False in shadow, where history alone is written."""
    newest, seen = state.newest_accepted, state.published
    behind = (newest - seen).days if newest and seen else 0
    verdict = Verdict.PASS
    if not enabled:
        finding = "shadow: results go to history only (SEEDTEST_PUBLISH=false)"
    elif state.pinned:
        verdict = Verdict.WARN
        finding = (
            f"publishing is pinned to {state.pinned}, by {state.published_by} ({state.reason}). "
            f"The newest accepted day is {newest}"
        )
    elif seen is None:
        finding = "nothing is published yet"
    else:
        finding = f"readers see {seen}"
    return Judgement(
        check="published",
        verdict=verdict,
        finding=finding,
        advice="Once the cause of the pin is fixed: seedtest publish --newest, or the job publish without a date",
        numbers={
            "published": str(seen) if seen else None,
            "newest_accepted": str(newest) if newest else None,
            "pinned": str(state.pinned) if state.pinned else None,
            "days_behind": behind,
        },
        limits={"allowed": "not pinned"},
        history=Trend(values=[behind], label="days between the newest accepted day and what readers see"),
    )
