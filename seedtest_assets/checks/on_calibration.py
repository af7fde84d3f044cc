"""Judge a calibration before it is written: what it is compared with, and every check of the calibrate step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import pandas as pd
import pyarrow as pa

from seedtest_assets.calibration import CalibrationResult, no_parameters
from seedtest_assets.checks import calibration, drift, predicted_answers, prediction, scale
from seedtest_assets.checks.judgement import Fit, Judgement, Level
from seedtest_assets.checks.specs import CALIBRATION
from seedtest_assets.settings import Settings
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history import abilities, fits_before, parameters_of_days

BLOCKING = frozenset(spec.name for spec in CALIBRATION if spec.blocking)


@dataclass(frozen=True)
class Earlier:
    """What the earlier partitions left.

    fits: oldest first; published: partition_date, item_id, a, b, c, se_a, se_b, n_responses of the same partitions; newest: the newest
    of them, None where there is none; abilities: user_id, theta, se of that one.
    """

    fits: Sequence[Fit]
    published: pd.DataFrame
    newest: date | None
    abilities: pd.DataFrame

    @property
    def parameters(self) -> pd.DataFrame:
        """Item parameters of the newest partition."""
        return self.published[self.published["partition_date"] == self.newest] if self.newest else no_parameters()


def earlier_partitions(database: Database, day: date, settings: Settings) -> Earlier:
    """Read them from history."""
    fits = [Fit(*row) for row in fits_before(database, day, settings.history_partitions)]
    newest = fits[-1].day if fits else None
    published = parameters_of_days(database, [fit.day for fit in fits])
    return Earlier(fits, published, newest, abilities(database, newest) if newest else pd.DataFrame())


def judge_calibration(
    result: CalibrationResult, anchors: pd.DataFrame, answers: pa.Table, day: date, earlier: Earlier, settings: Settings
) -> list[Judgement]:
    """Every check of specs.CALIBRATION, in its order.

    anchors: item_id, a, b, c of the bank's anchors; answers: the window that ends with the day, oldest first.
    """
    fits = earlier.fits

    def predictive_validity() -> Judgement:
        predicted = (
            predicted_answers.predict(answers, day, earlier.parameters, earlier.abilities)
            if earlier.newest is not None
            else None
        )
        return prediction.predictive_validity(predicted, earlier.newest, fits, settings)

    def anchor_drift() -> Judgement:
        residuals = predicted_answers.residuals_of(answers, anchors, result.abilities)
        return drift.anchor_drift(result.items, anchors, residuals, earlier.published, settings)

    checks: dict[str, Callable[[], Judgement]] = {
        "item_count_drop": partial(calibration.item_count_drop, result, fits, settings),
        "converged": partial(calibration.converged, result, fits),
        "finite": partial(calibration.finite, result, fits),
        "plausible_ranges": partial(calibration.plausible_ranges, result, fits, settings),
        "anchor_drift": anchor_drift,
        "item_drift": partial(
            drift.item_drift, day, result.items, earlier.published, settings.mirt_lookback_days, settings
        ),
        "ability_distribution": partial(scale.ability_distribution, result, fits, settings),
        "anchors_present": partial(
            scale.anchors_present, result, len(anchors), settings.mirt_linking_method, fits, settings
        ),
        "linking_constants": partial(scale.linking_constants, result, fits, settings),
        "predictive_validity": predictive_validity,
    }
    return [_judged(spec.name, checks[spec.name]) for spec in CALIBRATION]


def rejected_by(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The blocking checks that say ERROR."""
    return [one for one in judgements if one.check in BLOCKING and one.level == Level.ERROR]


def _judged(name: str, check: Callable[[], Judgement]) -> Judgement:
    if name in BLOCKING:
        return check()
    try:
        return check()
    except Exception as error:
        # A sound calibration is not lost because a check of it broke; that it broke is told like any other finding.
        return Judgement(
            name,
            Level.WARN,
            f"the check itself broke: {type(error).__name__}: {error}",
            "report it to the makers of seedtest",
        )
