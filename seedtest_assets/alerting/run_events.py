"""What the end of a run means for alerting: failed checks, failed steps, recoveries."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from seedtest_assets.alerting.events import Alert, Event, Level, Recovery
from seedtest_assets.alerting.keys import check_key
from seedtest_assets.checks.catalogue import FRESHNESS
from seedtest_assets.dagster_log.ended_runs import EndedRun
from seedtest_assets.dagster_log.logged_run import EvaluatedCheck, FailedStep, asset_partition
from seedtest_assets.schedules import ALERTS_SENT

# The asset whose partition says that a day was calibrated.
CALIBRATION = FRESHNESS.asset
# The asset that is there after a calibration that did something, by the IRT service or without it.
ITEMS = "mirt_item_params"
# Key of the incident of a service that keeps failing, and of its recovery.
IRT_SERVICE = "irt-service"
NUMBERS_SHOWN = 8


def events_of(ended: EndedRun, service_failing: str | None) -> list[Event]:
    """Give the events of a run's end. service_failing: since when, if the IRT service is now known to keep failing."""
    run = ended.run
    # An alert about alerts that cannot be sent could not be sent either: the UI shows this check.
    failing = [check for check in run.checks if not check.passed and check.name != ALERTS_SENT.name]
    rejections = _rejections(failing, run.failed_steps if run.failed else ())
    events: list[Event] = [_recovery(ended)]
    for check in failing:
        rejection = rejections.get(check.step)
        if rejection is None:
            events.append(_check_alert(check, ended))
        elif rejection is check:
            # Other failures of a rejected step are listed here, not alerted separately.
            others = [other for other in failing if other.step == check.step and other is not check]
            events.append(_rejection_alert(check, others, ended))
    steps = [step for step in run.failed_steps if step.key not in rejections]
    if run.failed and (steps or not rejections):
        events.append(_failure_alert(ended, steps, service_failing))
    return events


def no_calibration(
    days: Sequence[str],
    *,
    at: datetime,
    location: str,
    finding: str,
    advice: tuple[str, ...] = (),
    details: tuple[str, ...] = (),
    link: str,
) -> Alert:
    """Alert that days, oldest first, have no calibration; suppressed if an open incident explains the last one."""
    day = days[-1]
    return Alert(
        key=f"missed {day}",
        level="error",
        at=at,
        title=f"no calibration of {day}",
        location=location,
        finding=finding,
        advice=advice,
        details=details,
        link=link,
        pending=frozenset(asset_partition(CALIBRATION, each) for each in days),
        suppressed_by=asset_partition(CALIBRATION, day),
    )


def run_link(ended: EndedRun) -> str:
    """Give the path of the run's page in the UI."""
    return f"/runs/{ended.run.run_id}"


def _rejections(
    failing: Sequence[EvaluatedCheck], failed_steps: Sequence[FailedStep]
) -> Mapping[str | None, EvaluatedCheck]:
    """Find the check that failed each step: its first with ERROR."""
    steps = {step.key for step in failed_steps}
    rejections: dict[str | None, EvaluatedCheck] = {}
    for check in failing:
        if check.step in steps and check.severity == "ERROR":
            rejections.setdefault(check.step, check)
    return rejections


def _check_alert(check: EvaluatedCheck, ended: EndedRun) -> Alert:
    partition = check.partition or ended.run.partition
    finding, advice = check.finding or "the check failed", _lines(check.advice)
    if check.name == FRESHNESS.name:
        return no_calibration(
            [partition], at=check.at, location=check.asset, finding=finding, advice=advice, link=run_link(ended)
        )
    level: Level = "error" if check.severity == "ERROR" else "warn"
    key = check_key(check.asset, check.name, partition)
    return Alert(
        key=key,
        level=level,
        at=check.at,
        title=f"{check.name} {partition}".strip(),
        location=f"{check.asset}, partition {partition}" if partition else check.asset,
        finding=finding,
        advice=advice,
        details=_numbers(check),
        link=run_link(ended),
        pending=frozenset({key}),
    )


def _rejection_alert(check: EvaluatedCheck, others: Sequence[EvaluatedCheck], ended: EndedRun) -> Alert:
    """Alert once that a check failed its step and the run; pending until it passes and everything is materialized."""
    alert = _check_alert(check, ended)
    (step,) = [step for step in ended.run.failed_steps if step.key == check.step]
    also = [f"also failed: {', '.join(f'{other.name} ({other.severity})' for other in others)}"] if others else []
    repeats = check.finding in step.reason
    details = [*alert.details, *([] if repeats else [f"{step.key}: {step.reason}"]), *also, "the run failed"]
    return replace(
        alert,
        finding=step.reason if repeats else alert.finding,
        advice=_lines(step.advice) or alert.advice,
        details=(*details, *_not_materialized(ended)),
        pending=alert.pending | ended.run.missing,
    )


def _failure_alert(ended: EndedRun, steps: Sequence[FailedStep], service_failing: str | None) -> Alert:
    run = ended.run
    findings = [f"{step.key}: {step.reason}{_tries(step)}" for step in steps] or [run.failure]
    advice = tuple(line for step in steps for line in _lines(step.advice))
    retried = (f"Dagster had started the run {run.run_retries + 1} times",) if run.run_retries else ()
    alert = Alert(
        key=f"run {run.partition or run.job} at {', '.join(sorted(step.key for step in steps))}"
        if steps
        else f"run {run.job} {run.partition}".strip(),
        level="error",
        at=ended.at,
        title=f"run failed {run.partition}".strip(),
        location=_location(ended),
        finding=findings[0],
        advice=advice,
        details=(*findings[1:], *retried, *_not_materialized(ended)),
        link=run_link(ended),
        pending=run.missing or frozenset({_job_key(ended)}),
    )
    if service_failing and any(step.by_service for step in steps):
        return replace(
            alert,
            key=IRT_SERVICE,
            title="the IRT service keeps failing",
            finding=f"every call since {service_failing} failed, and the run with it",
            details=(alert.finding, *alert.details),
            pending=alert.pending | {IRT_SERVICE},
        )
    return alert


def _recovery(ended: EndedRun) -> Recovery:
    run = ended.run
    resolves = dict.fromkeys(run.materialized, "")
    for check in run.checks:
        if check.passed:
            resolves[check_key(check.asset, check.name, check.partition or run.partition)] = (
                check.finding or "the check passes"
            )
    if run.succeeded:
        resolves[_job_key(ended)] = "the run succeeded"
    if calibrated(ended):
        resolves[IRT_SERVICE] = "a calibration succeeded"
    return Recovery(at=ended.at, resolves=resolves, link=run_link(ended))


def calibrated(ended: EndedRun) -> bool:
    """Tell whether the run calibrated a day."""
    return any(name.partition("@")[0] == ITEMS for name in ended.run.materialized)


def _job_key(ended: EndedRun) -> str:
    return asset_partition(f"job {ended.run.job}", ended.run.partition)


def _location(ended: EndedRun) -> str:
    run = ended.run
    job = "materialisation from the UI" if run.job.startswith("__") else f"job {run.job}"
    return f"{job}, partition {run.partition}" if run.partition else job


def _lines(advice: str | None) -> tuple[str, ...]:
    return tuple(advice.splitlines()) if advice else ()


def _tries(step: FailedStep) -> str:
    return f" (tried {step.retries + 1} times)" if step.retries else ""


def _not_materialized(ended: EndedRun) -> tuple[str, ...]:
    names = sorted({name.partition("@")[0] for name in ended.run.missing})
    return (f"not materialized: {', '.join(names)}",) if names else ()


def _numbers(check: EvaluatedCheck) -> tuple[str, ...]:
    shown = ", ".join([f"{name} {value:g}" for name, value in check.numbers.items()][:NUMBERS_SHOWN])
    limits = f"limits: {check.limits}" if check.limits else ""
    return tuple(line for line in (shown, limits) if line)
