"""Judge a calibration before it is written, against the earlier partitions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from seedtest_assets.calibration import CalibrationResult, no_parameters
from seedtest_assets.checks import catalogue, drift, linking, predicted_answers, prediction, soundness
from seedtest_assets.checks.ability_distribution import ability_distribution
from seedtest_assets.checks.judgement import EarlierFit, Judgement, Verdict
from seedtest_assets.checks.look_back import window_complete
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history import abilities, fits_before, parameters_of_days
from seedtest_assets.storage.window import Window
from seedtest_assets.thresholds import Thresholds

BLOCKING = frozenset(check.name for check in catalogue.CALIBRATION if check.blocking)

NEVER_ACCEPTED = frozenset({"finite"})
"""Checks that no operator can overrule: the tables take numbers only."""


@dataclass(frozen=True, kw_only=True)
class EarlierPartitions:
    """Fits and estimates of the earlier partitions.

    fits: oldest first. parameters: partition_date, item_id, a, b, c, se_a, se_b, n_responses of the same partitions.
    newest: the newest of them, None where there is none. abilities: user_id, theta, se of that one.
    """

    fits: Sequence[EarlierFit]
    parameters: pd.DataFrame
    newest: date | None
    abilities: pd.DataFrame

    @property
    def newest_parameters(self) -> pd.DataFrame:
        """Item parameters of the newest partition."""
        return self.parameters[self.parameters["partition_date"] == self.newest] if self.newest else no_parameters()


def earlier_partitions(database: Database, day: date, n_partitions: int) -> EarlierPartitions:
    """Read the n partitions before a day."""
    fits = [
        EarlierFit(day=fitted, model_spec=model_spec, metrics=metrics)
        for fitted, model_spec, metrics in fits_before(database, day, n_partitions)
    ]
    newest = fits[-1].day if fits else None
    return EarlierPartitions(
        fits=fits,
        parameters=parameters_of_days(database, [fit.day for fit in fits]),
        newest=newest,
        abilities=abilities(database, newest) if newest else pd.DataFrame(),
    )


@dataclass(frozen=True, kw_only=True)
class CalibratedDay:
    """A calibration, and what it is judged by.

    answers_since: the first day of the window that may have answers. anchors: item_id, a, b, c of the bank's anchors.
    """

    window: Window
    answers_since: date
    result: CalibrationResult
    anchors: pd.DataFrame
    earlier: EarlierPartitions
    linking_method: str

    @property
    def day(self) -> date:
        """The day that the window ends with."""
        return self.window.last


def judge_calibration(calibrated: CalibratedDay, limits: Thresholds) -> list[Judgement]:
    """Judge by every check of catalogue.CALIBRATION, in its order."""
    checks = _checks(calibrated, limits)
    return [_judge(check.name, checks[check.name]) for check in catalogue.CALIBRATION]


def rejected_by(judgements: Sequence[Judgement], *, accept: bool = False) -> list[Judgement]:
    """List the blocking checks at ERROR. accept: an operator overrules those that can be overruled."""
    failed = [
        judgement for judgement in judgements if judgement.check in BLOCKING and judgement.verdict == Verdict.ERROR
    ]
    overruled = accept and not any(judgement.check in NEVER_ACCEPTED for judgement in failed)
    return [] if overruled else failed


def _checks(calibrated: CalibratedDay, limits: Thresholds) -> Mapping[str, Callable[[], Judgement]]:
    result, earlier = calibrated.result, calibrated.earlier
    fits = earlier.fits
    return {
        "window_complete": lambda: window_complete(calibrated.window, calibrated.answers_since, fits, limits),
        "item_count_drop": lambda: soundness.item_count_drop(result, fits, limits),
        "converged": lambda: soundness.converged(result, fits),
        "finite": lambda: soundness.finite(result, fits),
        "plausible_ranges": lambda: soundness.plausible_ranges(result, fits, limits),
        "discrimination": lambda: soundness.discrimination(result, fits, limits),
        "anchor_drift": lambda: _anchor_drift(calibrated, limits),
        "item_drift": lambda: drift.item_drift(
            calibrated.day, result.items, earlier.parameters, calibrated.window.n_days, limits
        ),
        "ability_distribution": lambda: ability_distribution(result, fits, limits),
        "anchors_present": lambda: linking.anchors_present(
            result, len(calibrated.anchors), calibrated.linking_method, fits, limits
        ),
        "linking_constants": lambda: linking.linking_constants(result, fits, limits),
        "predictive_validity": lambda: _predictive_validity(calibrated, limits),
    }


def _anchor_drift(calibrated: CalibratedDay, limits: Thresholds) -> Judgement:
    result, anchors = calibrated.result, calibrated.anchors
    residuals = predicted_answers.residuals_of(calibrated.window.buckets, anchors, result.abilities)
    return drift.anchor_drift(result.items, anchors, residuals, calibrated.earlier.parameters, limits)


def _predictive_validity(calibrated: CalibratedDay, limits: Thresholds) -> Judgement:
    earlier, predicted = calibrated.earlier, None
    if earlier.newest is not None:
        predicted = predicted_answers.predict(
            calibrated.window.buckets, calibrated.day, earlier.newest_parameters, earlier.abilities
        )
    return prediction.predictive_validity(predicted, earlier.newest, earlier.fits, limits)


def _judge(name: str, check: Callable[[], Judgement]) -> Judgement:
    if name in BLOCKING:
        return check()
    try:
        return check()
    except Exception as error:
        # A sound calibration is not lost because a check of it is broken.
        return Judgement(
            check=name,
            verdict=Verdict.WARN,
            finding=f"the check itself broke: {type(error).__name__}: {error}",
            advice="Report it to the makers of seedtest",
        )
