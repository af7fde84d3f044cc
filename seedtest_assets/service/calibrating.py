"""POST /irt/calibrate: from the body of a request to its reply."""

import time
from datetime import datetime, timezone
from typing import Any

import msgspec

from seedtest_assets import irt
from seedtest_assets.calibration import LEFT_OUT_COLUMNS, CalibrationResult
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.errors import first_few, number_of
from seedtest_assets.irt.models import STEP_NAMES
from seedtest_assets.item_steps import steps_as_params
from seedtest_assets.service.limits import Limits
from seedtest_assets.service.prior_estimates import PRIOR_ANSWERS, estimates_with_prior
from seedtest_assets.service.reading import ParsedCalibration, read_calibration
from seedtest_assets.service.wire import (
    Ability,
    CalibrationReply,
    FitMeta,
    FittedItem,
    FittedParameters,
    LeftOutItem,
    MonitoredItem,
    StandardErrors,
)


def calibrate(body: bytes, limits: Limits) -> tuple[CalibrationReply, dict[str, Any]]:
    """Give the reply, and the facts that the log and the counters may have: sizes, never answers or persons."""
    began = time.perf_counter()
    parsed = read_calibration(body, limits)
    read = time.perf_counter()
    result = InProcessEngine().calibrate(parsed.request)
    items = _items(result, parsed)
    extra = estimates_with_prior(parsed.request, result) if parsed.columns_named else []
    reply = CalibrationReply(
        item_params=items,
        items=[*map(_estimate, items), *extra],
        abilities=_abilities(result, parsed),
        fit_meta=_fit_meta(result, parsed, extra),
    )
    facts = {
        "answers": parsed.request.table.num_rows,
        "persons": len(parsed.user_ids),
        "items": len(items),
        "left_out": len(reply.fit_meta.left_out),
        "anchors": len(parsed.request.anchors),
        "linked_to": result.model_spec.get("linked_to", "none"),
        "parse_seconds": round(read - began, 3),
        "work_seconds": round(time.perf_counter() - began, 3),
    }
    return reply, facts


def _items(result: CalibrationResult, parsed: ParsedCalibration) -> list[FittedItem]:
    """List the fitted items in the order in which they were named; null for what was not estimated."""
    by_id = result.items.set_index("item_id", drop=False)
    ordered = by_id.loc[[item for item in parsed.item_ids if item in by_id.index]]
    table = ordered.astype(object).where(ordered.notna(), None)
    if not irt.model_facts(parsed.request.model).guessing:
        table = table.assign(c=None, se_c=None)
    return [
        FittedItem(
            row.item_id,
            FittedParameters(row.a, row.b, row.c, **steps_as_params(row.steps)),
            row.model,
            StandardErrors(row.se_a, row.se_b, row.se_c, **dict(zip(STEP_NAMES, row.se_steps or (), strict=False))),
            row.n_responses,
            row.is_anchor,
        )
        for row in table.itertuples(index=False)
    ]


def _estimate(item: FittedItem) -> MonitoredItem:
    params, errors = msgspec.to_builtins(item.params), msgspec.to_builtins(item.se)
    of_item = {"model": item.model} if "b_1" in params else {}
    known = {f"{name}_se": se for name, se in errors.items() if se is not None}
    return MonitoredItem(item.item_id, **params | {"c": params["c"] or 0.0}, **known, **of_item)


def _abilities(result: CalibrationResult, parsed: ParsedCalibration) -> list[Ability]:
    """List everyone who was named, in that order; whoever answered nothing has the population's mean and SD."""
    mean, sd = result.model_spec["group_mean"], result.model_spec["group_sd"]
    by_user = result.abilities.set_index("user_id").reindex(parsed.user_ids)
    columns = (
        by_user["theta"].fillna(mean).tolist(),
        by_user["se"].fillna(sd).tolist(),
        by_user["n_responses"].fillna(0).astype(int).tolist(),
        parsed.user_ids,
    )
    return [
        Ability(theta, se, parsed.request.model, n_responses, user if parsed.users_named else None, "v1")
        for theta, se, n_responses, user in zip(*columns, strict=True)
    ]


def _fit_meta(result: CalibrationResult, parsed: ParsedCalibration, extra: list[MonitoredItem]) -> FitMeta:
    fitted_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return FitMeta(
        run_id=f"fit-{fitted_at}",
        model_spec={key: value for key, value in result.model_spec.items() if key != "linking_constants"},
        linking_constants=result.model_spec.get("linking_constants"),
        metrics=result.metrics,
        left_out=_left_out(result, parsed.item_ids),
        anchors_left_out=parsed.anchors_left_out,
        warnings=[*_model_warnings(parsed), *_anchor_warnings(parsed), *_prior_warnings(extra), *result.warnings],
    )


def _left_out(result: CalibrationResult, item_ids: list[str]) -> list[LeftOutItem]:
    answered = [LeftOutItem(*row) for row in result.left_out[LEFT_OUT_COLUMNS].itertuples(index=False, name=None)]
    listed = set(result.items["item_id"]) | {item.item_id for item in answered}
    return answered + [LeftOutItem(item, 0, "nobody answered it") for item in item_ids if item not in listed]


def _model_warnings(parsed: ParsedCalibration) -> list[str]:
    unknown = sorted(parsed.request.item_models.keys() - set(parsed.item_ids))
    if not unknown:
        return []
    return [f"item_models names {number_of(len(unknown), 'item')} that no answer names: {first_few(unknown)}"]


def _anchor_warnings(parsed: ParsedCalibration) -> list[str]:
    n_left_out = sum(anchor.fixed for anchor in parsed.anchors_left_out)
    if not n_left_out:
        return []
    n_sent = n_left_out + len(parsed.request.anchors)
    return [f"fixed anchors left out ({n_left_out} of {n_sent}): fit_meta.anchors_left_out has the reasons"]


def _prior_warnings(extra: list[MonitoredItem]) -> list[str]:
    if not extra:
        return []
    listed = ", ".join(item.item_id for item in extra)
    return [
        f"`items` holds {listed} with a prior worth {PRIOR_ANSWERS:g} answers: their answers alone give no estimate"
    ]
