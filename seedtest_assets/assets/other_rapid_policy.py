"""What another policy for rapid guesses would change: the day's calibration run once more, by our own engine."""

from typing import Any

from seedtest_assets.assets.calibrate_priors import calibrate_with_priors
from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, as_parameters
from seedtest_assets.engines import own_engine
from seedtest_assets.errors import SeedtestError
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
    """Calibrate the window with the other policy; None where the window has no rapid guess.

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
            result = _calibrate(database, settings, window.with_policy(policy), fit)
            other = OtherPolicy(policy=policy, result=result)
        except SeedtestError as error:  # the report is of more than this
            other = OtherPolicy(policy=policy, why_not=bilingual(NOT_POSSIBLE, reason=str(error)))
    return RapidGuessData(rapid=window.rapid, count=count, other=other)


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
    engine = own_engine(
        settings,
        standard_errors=bool(night["steps"].notna().any()),
        one_population=fit["metrics"].get("n_populations") == 1,
    )
    return calibrate_with_priors(
        engine.calibrate, request, database, settings, previous_day, settings.item_provisional_se_b
    )
