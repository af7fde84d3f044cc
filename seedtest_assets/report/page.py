"""The calibration report: one HTML file with everything in it, in English and Korean."""

from functools import cache
from importlib.resources import files

import jinja2
import pandas as pd
from markupsafe import Markup

from seedtest_assets.report import item_pictures, people_pictures, time_pictures
from seedtest_assets.report.category_pictures import category_curves
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.dif_pictures import MOST as MOST_DIF
from seedtest_assets.report.dif_pictures import dif_curves
from seedtest_assets.report.findings import findings
from seedtest_assets.report.flagged_items import flagged_items
from seedtest_assets.report.item_curves import ItemCurves, item_curves
from seedtest_assets.report.item_table import FLAGS, change_since, item_rows, left_out_items, number, table_columns
from seedtest_assets.report.rapid_guesses import RapidGuessData, rapid_guess_section
from seedtest_assets.report.summary import cards, fit_facts
from seedtest_assets.report.translations import KOREAN, bilingual, bilingual_reason

MOST_CHANGE_ROWS = 20
"""Rows for items used to link. Screened-out items are all listed, and the picture shows every item."""


def calibration_page(data: ReportData, rapid: RapidGuessData | None = None) -> str:
    """Render the report as HTML that needs no other file: styles, script and pictures are inside.

    rapid: rapid guesses of the window, None where there are none.

    Raises KeyError when a text has no Korean translation.
    """
    spec = data.model_spec
    group = {"mean": spec.get("group_mean") or 0.0, "sd": spec.get("group_sd") or 1.0}
    curves = item_curves(data.answers, data.items, data.abilities, spec["model"], **group)
    change = item_pictures.reference_change(data)
    screened_out = change["reason"] != ""
    listed = screened_out | ((~screened_out).cumsum() <= MOST_CHANGE_ROWS)
    change_b = change_since(data.items, data.previous)
    left_out = left_out_items(data)
    rows = item_rows(data, curves, left_out, change_b)
    categories = category_curves(data, curves)
    return _template().render(
        t=bilingual,
        korean=KOREAN,
        css=_part("page.css"),
        script=_part("page.js"),
        day=data.day,
        first=data.first,
        last=data.last,
        flagged=flagged_items(data.statistics),
        rapid=rapid_guess_section(data, rapid) if rapid else None,
        cards=cards(data, len(left_out)),
        findings=findings(data, curves, len(left_out), change_b),
        pictures=_pictures(data, curves, change),
        categories=categories,
        sampled=f"{data.share_of_students:.0%}" if data.is_sample else "",
        change_rows=_change_rows(change[listed]),
        more_change_rows=int((~listed).sum()),
        any_screened=bool(screened_out.any()),
        fit_facts=fit_facts(data, curves),
        dif_week=data.dif["partition_date"].iloc[0] if len(data.dif) else None,
        more_dif=max(len(data.dif) - MOST_DIF, 0),
        checks=data.checks,
        columns=table_columns(categories is not None),
        rows=rows,
        topics=sorted({row.cells[1] for row in rows} - {""}),
        flags=[flag for flag in FLAGS if any(flag in row.flags for row in rows)],
        point_names=_point_names(data, change),
        run_id=data.run_id,
        fitted_at=f"{data.fitted_at:%Y-%m-%d %H:%M}",
        engine=data.metrics.get("service") or data.metrics.get("engine") or "–",
    )


def _pictures(data: ReportData, curves: ItemCurves, change: pd.DataFrame) -> dict[str, Markup]:
    """Draw every picture but the curves of scores, by its name in the template; empty where there is nothing to draw."""
    pictures = {
        "item_map": item_pictures.item_map(data),
        "a_b": item_pictures.discrimination_against_difficulty(data),
        "information": item_pictures.bank_information(data),
        "anchors": item_pictures.anchor_change(change) if len(change) else "",
        "worst": item_pictures.worst_items(data, curves) if len(item_pictures.worst_rows(curves)) else "",
        "dif": dif_curves(data.dif) if len(data.dif) else "",
        "abilities": people_pictures.ability_distribution(data),
        "person_fit": people_pictures.person_fit(data) if len(data.person_fit) else "",
        "scale": time_pictures.scale_over_time(data),
        "answers": time_pictures.answers_and_items(data, time_pictures.answers_per_day(data)),
        "runs": time_pictures.runs_over_time(data) if data.runs else "",
    }
    return {name: Markup(picture) for name, picture in pictures.items()}


def _change_rows(change: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "item": str(row.item_id),
            "b_before": number(row.b_reference),
            "b": number(row.b),
            "change": number(row.change_b, signed=True),
            "a_before": number(row.a_reference),
            "a": number(row.a),
            "reason": bilingual_reason(str(row.reason)),
        }
        for row in change.itertuples(index=False)
    ]


def _point_names(data: ReportData, change: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    """List, for every group of points in the pictures and in their order, the item and its tooltip."""
    items, change = data.items, item_pictures.drawn_changes(change)
    anchor = items["is_anchor"].to_numpy(bool)
    fitted = [
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
        "items": [name for name, is_anchor in zip(fitted, anchor, strict=True) if not is_anchor],
        "anchors": [name for name, is_anchor in zip(fitted, anchor, strict=True) if is_anchor],
        **{f"anchors-{parameter}-used": used_names for parameter in "ab"},
        **{f"anchors-{parameter}-out": out_names for parameter in "ab"},
    }


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
