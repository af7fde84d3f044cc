"""Judge what readers of the platform's tables see: a pure function on facts."""

from seedtest_assets.cli.doctor.finding import DoctorFinding
from seedtest_assets.settings import Settings
from seedtest_assets.storage.publications import PublicationState


def judge_publishing(state: PublicationState | None, settings: Settings) -> DoctorFinding:
    """Judge what readers of the platform's tables see. state: None before our schema exists."""
    seen = f"readers see {state.published}" if state and state.published else "nothing of ours is published yet"
    if not settings.seedtest_publish:
        return DoctorFinding(level="yellow", subject="publishing", text=f"shadow (SEEDTEST_PUBLISH=false), {seen}")
    if state and state.pinned:
        return DoctorFinding(
            level="yellow",
            subject="publishing",
            text=f"pinned to {state.pinned}: {state.reason}. Nights go to history only until seedtest publish --newest",
        )
    return DoctorFinding(level="green", subject="publishing", text=seen)
