"""Metadata of the calibrate step's assets, as the UI shows it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from seedtest_assets.calibration import CalibrationResult, linked_blocks
from seedtest_assets.checks import catalogue
from seedtest_assets.report.pictures import histogram, item_map
from seedtest_assets.step.metadata import cluster_metadata, picture, previewed, rounded
from seedtest_assets.storage.window import Window

LINKING_SHOWN = ("A", "B", "se_A", "se_B", "residual_z", "n_anchors_used")
NOT_DONE = "no answers in the window"


def with_metrics(result: CalibrationResult, **metrics: Any) -> CalibrationResult:
    """Add metrics to a calibration."""
    return replace(result, metrics=result.metrics | metrics)


def materializations(
    result: CalibrationResult, window: Window, run_id: str, publication: str
) -> Iterator[dg.MaterializeResult]:
    """Describe the three assets of a calibration that was written.

    publication: what was published, or why not.
    """
    published = {"published": publication}
    theta = result.abilities["theta"]
    flagged = result.to_review[["item_id", "flag", "a", "se_a", "b", "n_responses"]]
    yield dg.MaterializeResult(
        asset_key="mirt_item_params",
        metadata={
            "dagster/row_count": len(result.items),
            **published,
            **_window(window),
            "left_out": len(result.left_out),
            "left_out_reasons": dg.MetadataValue.json(result.left_out["reason"].value_counts().to_dict()),
            "left_out_items": previewed(result.left_out.head(20)),
            "to_review": len(flagged),
            "items_to_review": previewed(flagged.head(20)),
            **({"provisional": len(result.provisional)} if "item_priors" in result.model_spec else {}),
            "preview": previewed(result.items.head(5)),
            "item_map": picture(item_map(result.items["b"], theta), "item difficulties against abilities"),
        },
    )
    yield dg.MaterializeResult(
        asset_key="mirt_ability",
        metadata={
            "dagster/row_count": len(result.abilities),
            **published,
            "mean": rounded(float(theta.mean())),
            "sd": rounded(float(theta.std(ddof=0))),
            "preview": previewed(result.abilities.head(5)),
            "distribution": picture(histogram(theta, "ability", "students"), "distribution of abilities"),
        },
    )
    yield dg.MaterializeResult(
        asset_key="mirt_fit_meta",
        metadata={**published, **_fit(result, run_id)},
    )


def nothing_to_do(window: Window) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Describe a day without answers in its window and without a calibration before it."""
    for key in ("mirt_item_params", "mirt_ability", "mirt_fit_meta"):
        yield dg.MaterializeResult(
            asset_key=key, metadata={"dagster/row_count": 0, "nothing_to_do": NOT_DONE, **_window(window)}
        )
    for check in catalogue.CALIBRATION:
        yield dg.AssetCheckResult(
            asset_key=check.asset,
            check_name=check.name,
            passed=True,
            description=f"nothing to do: {NOT_DONE}, and no calibration before it",
        )


def _fit(result: CalibrationResult, run_id: str) -> dict[str, Any]:
    specification, metrics = result.model_spec, result.metrics
    shown = ("loglik", "aic", "bic", "reliability", "iterations", "converged", "seconds", "retries")
    return {
        "run_id": run_id,
        **{name: rounded(metrics.get(name)) for name in shown},
        "linked_to": specification["linked_to"],
        **_linking(specification),
        **_item_priors(specification),
        **cluster_metadata(metrics.get("cluster", {})),
        "model_spec": dg.MetadataValue.json(_as_json(specification)),
        "metrics": dg.MetadataValue.json(_as_json(metrics)),
    }


def _linking(specification: Mapping[str, Any]) -> dict[str, Any]:
    """Give the linking constants, with a number in the name from the second block of items on."""
    return {
        f"linking_{name}" + (f"_{number}" if number > 1 else ""): rounded(block[name])
        for number, block in enumerate(linked_blocks(specification), 1)
        for name in LINKING_SHOWN
        if name in block
    }


def _item_priors(specification: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the items' features explain, where they give priors."""
    priors = specification.get("item_priors", {})
    if not priors:
        return {}
    of_parameters = {
        f"{fact}_of_{name}": rounded(priors[name][fact])
        for name in ("log_a", "b")
        for fact in ("r_squared", "residual_sd")
        if name in priors
    }
    return {"items_with_priors": priors["n_items"], **of_parameters}


def _window(window: Window) -> dict[str, Any]:
    return {
        "window": f"{window.first} to {window.last}",
        "answers": window.n_answers,
        "rapid_guesses": window.rapid_guesses.summary,
        "days_missing_in_lake": dg.MetadataValue.json([day.isoformat() for day in window.missing]),
    }


def _as_json(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)
        for name, value in facts.items()
    }
