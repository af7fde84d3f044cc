"""The calibration report: one HTML file with everything in it, in English and Korean."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from seedtest_assets.report import item_pictures, people_pictures, time_pictures
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.findings import MISFIT, findings, named
from seedtest_assets.report.item_curves import ItemCurves, item_curves
from seedtest_assets.report.item_table import COLUMNS, FLAGS, change_since, item_rows, left_out_items, number
from seedtest_assets.report.words import KOREAN, both, reason_in_both

MOST_CHANGE_ROWS = 60


def calibration_page(data: ReportData) -> str:
    """The report as HTML that needs nothing else: styles, script and pictures are inside.

    Raises KeyError when a word has no Korean.
    """
    spec = data.model_spec
    group = {"mean": spec.get("group_mean") or 0.0, "sd": spec.get("group_sd") or 1.0}
    curves = item_curves(data.answers, data.items, data.abilities, spec["model"], **group)
    change = item_pictures.reference_change(data)
    change_b = change_since(data.items, data.previous)
    left_out = left_out_items(data)
    rows = item_rows(data, curves, left_out, change_b)
    worst = item_pictures.worst_rows(curves)
    pictures = {
        "item_map": item_pictures.item_map(data),
        "a_b": item_pictures.discrimination_against_difficulty(data),
        "information": item_pictures.bank_information(data),
        "anchors": item_pictures.anchor_change(change) if len(change) else "",
        "worst": item_pictures.worst_items(data, curves) if len(worst) else "",
        "abilities": people_pictures.ability_distribution(data),
        "scale": time_pictures.scale_over_time(data),
        "answers": time_pictures.answers_and_items(data, time_pictures.answers_per_day(data)),
        "runs": time_pictures.runs_over_time(data) if data.runs else "",
    }
    return _template().render(
        t=both,
        korean=KOREAN,
        css=_part("page.css"),
        script=_part("page.js"),
        day=data.day,
        first=data.first,
        last=data.last,
        cards=_cards(data, len(left_out)),
        findings=findings(data, curves, len(left_out), change_b),
        pictures={name: Markup(picture) for name, picture in pictures.items()},
        change_rows=_change_rows(change.head(MOST_CHANGE_ROWS)),
        more_change_rows=max(0, len(change) - MOST_CHANGE_ROWS),
        any_screened=bool((change["reason"] != "").any()),
        fit_facts=_fit_facts(data, curves),
        checks=data.checks,
        columns=COLUMNS,
        rows=rows,
        topics=sorted({row.cells[1] for row in rows} - {""}),
        flags=[flag for flag in FLAGS if any(flag in row.flags for row in rows)],
        point_names=_point_names(data, change),
        run_id=data.run_id,
        fitted_at=f"{data.fitted_at:%Y-%m-%d %H:%M}",
        engine=data.metrics.get("service") or data.metrics.get("engine") or "–",
    )


@dataclass(frozen=True)
class Card:
    """A number at the top of the page."""

    label: str
    value: Any
    note: Any = ""
    alarm: bool = False


def _cards(data: ReportData, n_left_out: int) -> list[Card]:
    spec, metrics = data.model_spec, data.metrics
    before = data.history.iloc[-2] if len(data.history) > 1 else None
    reliability = metrics.get("reliability")
    earlier = "" if before is None else both("the day before: {value}", value=f"{before['n_items']:,.0f}")
    earlier_reliability = (
        ""
        if before is None or not np.isfinite(before["reliability"])
        else both("the day before: {value}", value=f"{before['reliability']:.3f}")
    )
    return [
        Card("Model", spec["model"], both("{n} iterations", n=metrics.get("iterations") or "–")),
        Card("Convergence", *_convergence(metrics)),
        Card(
            "Items fitted",
            f"{spec['n_items']:,}",
            earlier
            + (
                Markup(" · ") * bool(earlier) + both("{n} answered but could not be fitted", n=n_left_out)
                if n_left_out
                else ""
            ),
        ),
        Card(
            "Students",
            f"{spec['n_persons']:,}",
            both("mean standard error {se}", se=f"{data.abilities['se'].mean():.2f}"),
        ),
        Card(
            "Answers used",
            f"{spec['n_observations']:,}",
            both("{n} repeated answers set aside", n=f"{metrics.get('n_set_aside') or 0:,}"),
        ),
        Card(
            "Log-likelihood",
            _amount(metrics.get("loglik")),
            f"AIC {_amount(metrics.get('aic'))} · BIC {_amount(metrics.get('bic'))}",
        ),
        Card("Reliability", "–" if reliability is None else f"{reliability:.3f}", earlier_reliability),
        _linking_card(spec),
    ]


def _convergence(metrics: dict[str, Any]) -> tuple[Markup, Markup, bool]:
    converged = metrics.get("converged")
    said = both("not told" if converged is None else "converged" if converged else "NOT converged")
    note = both("{n} retries", n=metrics.get("retries") or 0)
    return said, Markup(f"{metrics.get('seconds') or 0:,.1f} s · ") + note, converged is not None and not converged


def _linking_card(spec: dict[str, Any]) -> Card:
    constants = spec.get("linking_constants")
    if not constants:
        return Card("Linking constants", both("not linked"), "", True)
    value = f"A {constants['A']:.3f} · B {constants['B']:+.3f}".replace("-", "−")
    n, out = constants.get("n_anchors_used", "–"), len(constants.get("screened_out") or {})
    if spec.get("linked_to") == "previous":
        note = both(
            "through {n} items of {day}, {out} screened out", n=n, out=out, day=spec.get("linked_to_partition", "–")
        )
    else:
        note = both("through {n} anchors, {out} screened out", n=n, out=out)
    return Card("Linking constants", value, note)


def _fit_facts(data: ReportData, curves: ItemCurves) -> list[tuple[str, Any]]:
    spec, metrics = data.model_spec, data.metrics
    constants = spec.get("linking_constants") or {}
    misfit = int((curves.misfit >= MISFIT).sum())
    screened = list(constants.get("screened_out") or {})
    linked = (
        f"{constants['method']}, A {constants['A']:.4f}, B {constants['B']:.4f}" if constants else both("not linked")
    )
    return [
        (
            "Log-likelihood",
            f"{_amount(metrics.get('loglik'), 3)} · AIC {_amount(metrics.get('aic'), 1)} · BIC {_amount(metrics.get('bic'), 1)}",
        ),
        ("Parameters estimated", f"{metrics['n_parameters']:,}" if metrics.get("n_parameters") else "–"),
        ("Linking method", linked),
        ("Screened out", named(screened) if screened else both("none")),
        (
            "Group on the bank's scale",
            both(
                "mean {mean}, SD {sd}", mean=f"{spec.get('group_mean') or 0:.3f}", sd=f"{spec.get('group_sd') or 1:.3f}"
            ),
        ),
        ("Items with RMSD of 0.1 or more", f"{misfit} / {len(data.items):,}"),
    ]


def _change_rows(change: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "item": str(row.item_id),
            "b_before": number(row.b_reference),
            "b": number(row.b),
            "change": number(row.change_b, signed=True),
            "a_before": number(row.a_reference),
            "a": number(row.a),
            "reason": reason_in_both(row.reason),
        }
        for row in change.itertuples(index=False)
    ]


def _point_names(data: ReportData, change: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    """For every group of points in the pictures, in their order: the item, and what the pointer says of it."""
    items = data.items
    anchor = items["is_anchor"].to_numpy(bool)
    said = [
        (str(row.item_id), f"{row.item_id}   a {row.a:.2f}   b {row.b:.2f}") for row in items.itertuples(index=False)
    ]
    moved = [
        (
            str(row.item_id),
            f"{row.item_id}   b {row.b_reference:.2f} → {row.b:.2f}   a {row.a_reference:.2f} → {row.a:.2f}",
        )
        for row in change.itertuples(index=False)
    ]
    out = (change["reason"] != "").to_numpy()
    used_names = [name for name, is_out in zip(moved, out, strict=True) if not is_out]
    out_names = [name for name, is_out in zip(moved, out, strict=True) if is_out]
    return {
        "items": [name for name, is_anchor in zip(said, anchor, strict=True) if not is_anchor],
        "anchors": [name for name, is_anchor in zip(said, anchor, strict=True) if is_anchor],
        **{f"anchors-{parameter}-used": used_names for parameter in "ab"},
        **{f"anchors-{parameter}-out": out_names for parameter in "ab"},
    }


def _amount(value: float | None, digits: int = 0) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:,.{digits}f}".replace("-", "−")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("seedtest_assets", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.j2")


def _part(name: str) -> Markup:
    return Markup(files("seedtest_assets.report").joinpath(name).read_text(encoding="utf-8"))
