"""What a run's end means: troubles to tell, reliefs for what was told."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

import dagster as dg

from seedtest_assets.alerting.events import Level, Relief, Trouble
from seedtest_assets.checks.specs import FRESHNESS
from seedtest_assets.dagster_log.ended_runs import IRT_CALL, Check, RunEnd, Step, asset_token

CALIBRATION = FRESHNESS.asset_key.to_user_string()
"""The asset whose partition says that a day was calibrated."""
IRT_SERVICE = "irt-service"
_NUMBERS_SHOWN = 8


def news_of(run: RunEnd, service_keeps_failing: str | None) -> list[Trouble | Relief]:
    """What a run's end means. service_keeps_failing: since when, where the IRT service is now known to do so."""
    news: list[Trouble | Relief] = [_relief(run)]
    failing = [check for check in run.checks if not check.evaluation.passed]
    rejected = {step.key for step in run.steps} if run.failed else set()
    causes: dict[str, Check] = {}
    for check in failing:
        if check.step in rejected and check.evaluation.severity == dg.AssetCheckSeverity.ERROR:
            causes.setdefault(str(check.step), check)
    for check in failing:
        cause = causes.get(str(check.step))
        if cause is None:
            news.append(_of_check(check, run))
        elif cause is check:
            # What it kept from being written is not worth a message of its own for its other checks.
            others = [other for other in failing if other.step == check.step and other is not check]
            news.append(_of_rejection(check, others, run))
    if run.failed:
        news += _of_failure(run, [step for step in run.steps if step.key not in causes], causes, service_keeps_failing)
    return news


def missed(day: str, at: datetime, where: str, how_much: tuple[str, ...], link: str, days: frozenset[str]) -> Trouble:
    """No calibration of a day, whoever notices it; not told where an open incident is the reason."""
    owed = asset_token(CALIBRATION, day)
    owes = frozenset(asset_token(CALIBRATION, one) for one in days)
    return Trouble(f"missed {day}", "error", at, f"no calibration of {day}", where, how_much, link, owes, owed)


def _check_token(asset: str, check: str, partition: str) -> str:
    """How an incident owes that a check passes."""
    return f"check {asset} {check} {partition}".strip()


def _of_failure(
    run: RunEnd, steps: Sequence[Step], causes: Collection[str], service_keeps_failing: str | None
) -> list[Trouble]:
    if not steps and causes:
        return []  # told with the check that failed it
    owes = (run.planned - run.made) or frozenset({_job_token(run)})
    retried = (f"the run was retried {run.retries} times",) if run.retries else ()
    lines = tuple(f"{step.key}: {step.reason}{_tried(step)}" for step in steps) or (run.reason,)
    how_much = (*lines, *retried, *_not_made(run))
    if service_keeps_failing and any(IRT_CALL in step.reason for step in steps):
        return [
            Trouble(
                IRT_SERVICE,
                "error",
                run.at,
                "the IRT service keeps failing",
                _where(run),
                (f"every call since {service_keeps_failing}, and the run failed with it", *how_much),
                run.link,
                owes | {IRT_SERVICE},
            )
        ]
    where = _where(run)
    if not steps:
        key = f"run {run.job} {run.partition}".strip()
        return [Trouble(key, "error", run.at, _run_failed(run), where, how_much, run.link, owes)]
    key = f"run {run.partition or run.job} at {', '.join(sorted(step.key for step in steps))}"
    return [Trouble(key, "error", run.at, _run_failed(run), where, how_much, run.link, owes)]


def _of_check(check: Check, run: RunEnd) -> Trouble:
    evaluation = check.evaluation
    asset, partition = evaluation.asset_key.to_user_string(), evaluation.partition or run.partition
    said = evaluation.description or "the check failed"
    if evaluation.check_name == FRESHNESS.name:
        return missed(partition, check.at, asset, (said,), run.link, frozenset({partition}))
    level: Level = "error" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warn"
    token = _check_token(asset, evaluation.check_name, partition)
    where = f"{asset}, partition {partition}" if partition else asset
    what = f"{evaluation.check_name} {partition}".strip()
    how_much = (said, *_numbers(evaluation))
    return Trouble(token, level, check.at, what, where, how_much, run.link, frozenset({token}))


def _of_rejection(check: Check, others: Sequence[Check], run: RunEnd) -> Trouble:
    """A failed check that failed its step, and so the run: one trouble, until it passes and everything is made."""
    trouble = _of_check(check, run)
    (reason,) = [step.reason for step in run.steps if step.key == check.step]
    said, *numbers = trouble.how_much
    # Mostly the step's reason repeats what the check says: then it is enough.
    lines = [reason, *numbers] if said in reason else [said, *numbers, f"{check.step}: {reason}"]
    if others:
        names = [f"{other.evaluation.check_name} ({other.evaluation.severity.value})" for other in others]
        lines.append(f"also failed: {', '.join(names)}")
    how_much = (*lines, "the run failed", *_not_made(run))
    return replace(trouble, how_much=how_much, owes=trouble.owes | (run.planned - run.made))


def _relief(run: RunEnd) -> Relief:
    paid = dict.fromkeys(run.made, "")
    for check in run.checks:
        evaluation = check.evaluation
        if evaluation.passed:
            partition = evaluation.partition or run.partition
            token = _check_token(evaluation.asset_key.to_user_string(), evaluation.check_name, partition)
            paid[token] = evaluation.description or "the check passes"
    if run.succeeded:
        paid[_job_token(run)] = "the run succeeded"
    if any(token.startswith("mirt_item_params") for token in run.made):
        paid[IRT_SERVICE] = "a calibration went through"
    return Relief(run.at, paid, run.link)


def _job_token(run: RunEnd) -> str:
    return asset_token(f"job {run.job}", run.partition)


def _run_failed(run: RunEnd) -> str:
    return f"run failed {run.partition}".strip()


def _where(run: RunEnd) -> str:
    job = "materialisation from the UI" if run.job.startswith("__") else f"job {run.job}"
    return f"{job}, partition {run.partition}" if run.partition else job


def _tried(step: Step) -> str:
    return f" (tried {step.retries + 1} times)" if step.retries else ""


def _not_made(run: RunEnd) -> tuple[str, ...]:
    names = sorted({token.partition("@")[0] for token in run.planned - run.made})
    return (f"not made: {', '.join(names)}",) if names else ()


def _numbers(evaluation: dg.AssetCheckEvaluation) -> tuple[str, ...]:
    shown = [
        f"{name} {value.value:g}"
        for name, value in evaluation.metadata.items()
        if isinstance(value, dg.IntMetadataValue | dg.FloatMetadataValue) and value.value is not None
    ]
    return (", ".join(shown[:_NUMBERS_SHOWN]),) if shown else ()
