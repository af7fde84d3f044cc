"""What another policy for rapid guesses would change: the day's calibration run once more, in this process.

Of a large window a random sample of the students is calibrated with both policies: the sampling error is common to both, so the
difference is known as well as it is needed, and neither the time nor the memory of the calibrations grows with the window.
"""

from typing import Any

from seedtest_assets.assets.calibrate_priors import calibrate_with_priors
from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, as_parameters
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.errors import SeedtestError
from seedtest_assets.rapid_guesses import Policy
from seedtest_assets.report.data import MOST_ANSWERS
from seedtest_assets.report.rapid_guesses import BY_A_SERVICE, NOT_POSSIBLE, OtherPolicy, RapidGuessData, other_policy
from seedtest_assets.report.translations import bilingual
from seedtest_assets.settings import Settings
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history import fitted_items, previous_item_parameters
from seedtest_assets.storage.questions import known_parameters
from seedtest_assets.storage.window import Window


def rapid_guess_data(
    database: Database, settings: Settings, window: Window, fit: dict[str, Any]
) -> RapidGuessData | None:
    """Calibrate the window, or a sample of its students, with the other policy; None where the window has no rapid guess.

    window: with its rapid guesses as the fit counted them.
    """
    count = window.rapid_guesses
    if not count.n:
        return None
    policy = other_policy(count.policy)
    if "service" in fit["metrics"]:
        # The difference would be that of two programs, too.
        other = OtherPolicy(policy=policy, why_not=bilingual(BY_A_SERVICE))
    else:
        try:
            other = _compared(database, settings, window, policy, fit)
        except SeedtestError as error:  # the report is of more than this
            other = OtherPolicy(policy=policy, why_not=bilingual(NOT_POSSIBLE, reason=str(error)))
    return RapidGuessData(rapid=window.rapid, count=count, other=other)


def _compared(
    database: Database, settings: Settings, window: Window, policy: Policy, fit: dict[str, Any]
) -> OtherPolicy:
    sample = window.sample(MOST_ANSWERS)
    result = _calibrate(database, settings, sample.with_policy(policy), fit)
    if sample is window:
        return OtherPolicy(policy=policy, result=result)
    return OtherPolicy(policy=policy, result=result, same_policy=_calibrate(database, settings, sample, fit))


def _calibrate(database: Database, settings: Settings, window: Window, fit: dict[str, Any]) -> CalibrationResult:
    """Calibrate the window as the night's fit was, for the parameters only, from those of the night, which are near.

    Where all items are right or wrong, no parameter depends on standard errors; the drift of an anchor's steps is judged by them.
    """
    night = fitted_items(database, window.last)
    previous_day, previous = previous_item_parameters(database, window.last)
    known = known_parameters(database)
    request = CalibrationRequest(
        answers=window.to_calibrate,
        model=fit["model_spec"]["model"],
        polytomous_model=settings.mirt_polytomous_model,
        anchors=known.anchors,
        starts=as_parameters(night),
        item_models=known.models,
        previous=previous,
        linking_method=settings.mirt_linking_method,
        priors=settings.priors,
    )
    engine = InProcessEngine(
        standard_errors=bool(night["steps"].notna().any()),
        one_population=fit["metrics"].get("n_populations") == 1,
    )
    return calibrate_with_priors(
        engine.calibrate, request, database, settings, previous_day, settings.item_provisional_se_b
    )
