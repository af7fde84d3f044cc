"""Judge the traces of the replaced jobs: their runs and their environment. Pure functions on facts."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from seedtest_assets.cli.doctor.finding import DoctorFinding
from seedtest_assets.settings import Settings, old_name_warnings
from seedtest_assets.storage.platform_facts import PlatformFacts

OLD_DEFAULTS = {
    "MIRT_LOOKBACK_DAYS": "30",
    "AGG_INCLUDE_THETA": "false",
    "METRICS_USE_IRT_THETA": "false",
    "R_IRT_TIMEOUT_SECS": "20",
}
"""What the old jobs used where a variable was unset, of those whose default here differs."""
NOT_READ = {
    "DRY_RUN": "SEEDTEST_PUBLISH=false writes history only",
    "MIRT_TOPIC_ID": "the whole bank is calibrated together",
    "IRT_TOPIC_ID": "the whole bank is calibrated together",
    "MIRT_SUBJECT_ID": "the whole bank is calibrated together",
    "IRT_SUBJECT_ID": "the whole bank is calibrated together",
    "AGG_LOOKBACK_DAYS": "`seedtest run --refresh` does days again that answers came late for, in history, and the newest day is published",
}
"""Variables of the old jobs that have no effect here, and what there is instead."""
OLD_JOBS = (
    "calibrate-irt or mirt-calibrate (03:00), aggregate-features-daily (02:25), aggregate-features-daily-r (02:30)"
)
STILL_RUNS = timedelta(hours=26)
"""A nightly job whose newest result is younger than this runs still."""


def judge_old_jobs(facts: PlatformFacts, now: datetime) -> DoctorFinding:
    """Judge whether the jobs that are replaced have stopped."""
    fit = facts.foreign_fit
    if not facts.fits_readable:
        return DoctorFinding(level="yellow", subject="old jobs", text="mirt_fit_meta cannot be read. See rights")
    if fit is None or fit.fitted_at is None:
        return DoctorFinding(level="green", subject="old jobs", text="no sign of any in mirt_fit_meta")
    last = f"its last fit is {fit.run_id} of {fit.fitted_at:%Y-%m-%d %H:%M} UTC"
    if now - fit.fitted_at > STILL_RUNS:
        return DoctorFinding(
            level="green",
            subject="old jobs",
            text=f"the calibration job has stopped, and {last}. Look yourself that aggregate-features-daily and aggregate-features-daily-r have: they leave no run",
        )
    published = facts.publication.published_at if facts.publication else None
    if published and fit.fitted_at > published:
        return DoctorFinding(
            level="yellow",
            subject="old jobs",
            text=f"another job still writes after our newest publication: {last}. Suspend {OLD_JOBS}",
        )
    return DoctorFinding(
        level="yellow",
        subject="old jobs",
        text=f"another job wrote the tables: {last}. Before publishing, suspend {OLD_JOBS}. Reports, KPI, question and "
        "anchor jobs go on",
    )


def judge_settings(facts: PlatformFacts, settings: Settings, environment: Mapping[str, str]) -> Iterator[DoctorFinding]:
    """Judge variables whose effect differs from the replaced jobs."""
    for line in old_name_warnings(environment):
        yield DoctorFinding(level="yellow", subject="settings", text=line)
    for name, instead in NOT_READ.items():
        if environment.get(name):
            yield DoctorFinding(level="yellow", subject="settings", text=f"{name} has no effect here: {instead}")
    if settings.mirt_max_obs:
        yield DoctorFinding(
            level="yellow",
            subject="settings",
            text=f"MIRT_MAX_OBS={settings.mirt_max_obs} keeps the newest answers of the window, where the old job kept the oldest",
        )
    if facts.foreign_fit is None:
        return
    for name, old in OLD_DEFAULTS.items():
        if name == "R_IRT_TIMEOUT_SECS" and not settings.r_irt_base_url:
            continue
        default = str(Settings.model_fields[name.lower()].default).removesuffix(".0").lower()
        if not environment.get(name) and str(getattr(settings, name.lower())).removesuffix(".0").lower() == default:
            yield DoctorFinding(
                level="yellow",
                subject="settings",
                text=f"{name} is unset: {default} here, {old} in the old job. Set it to keep the old value",
            )
