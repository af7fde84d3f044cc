"""Priors of a night's items from their features: what is read for them, and what the night records of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from seedtest_assets.calibration import CalibrationRequest, CalibrationResult
from seedtest_assets.engines.feature_priors import CalibratedBank, FeaturePriors, feature_priors, provisional_items
from seedtest_assets.settings import Settings
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.history import fit_meta, fitted_items
from seedtest_assets.storage.item_features import item_features


def calibrate_with_priors(
    calibrate: Callable[[CalibrationRequest], CalibrationResult],
    request: CalibrationRequest,
    database: Database,
    settings: Settings,
    bank_day: date | None,
    most_se_b: float,
) -> CalibrationResult:
    """Calibrate with priors from the items' features, where SEEDTEST_ITEM_FEATURES names some; else as requested.

    bank_day: the calibrated day that the features' effects are taken from; most_se_b: error of b above which an item is
    provisional.
    """
    if not settings.item_features:
        return calibrate(request)
    priors = _priors(request, database, settings, bank_day)
    result = calibrate(replace(request, item_priors=priors.table, population=priors.population))
    facts = {"bank_day": str(bank_day), **priors.facts} if priors.facts else {}
    return replace(
        result,
        model_spec=result.model_spec | ({"item_priors": facts} if facts else {}),
        warnings=(*priors.warnings, *result.warnings),
        provisional=provisional_items(result.items, most_se_b),
    )


def _priors(
    request: CalibrationRequest, database: Database, settings: Settings, bank_day: date | None
) -> FeaturePriors:
    features = item_features(database, settings.item_features)
    fit = fit_meta(database, bank_day) if bank_day else None
    if bank_day is None or fit is None:
        reason = "SEEDTEST_ITEM_FEATURES gives no priors yet: there is no earlier calibration to learn from"
        return FeaturePriors(warnings=(*features.warnings, reason))
    priors = feature_priors(
        CalibratedBank(items=fitted_items(database, bank_day), model_spec=fit["model_spec"]),
        features.items,
        request.item_ids,
        request.anchors["item_id"].tolist(),
        request.model,
    )
    return replace(priors, warnings=(*features.warnings, *priors.warnings))
