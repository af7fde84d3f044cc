"""What a reader should look at first: the problems of a calibration, then the notices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from seedtest_assets.calibration import linked_blocks, n_linking_items, screened_out
from seedtest_assets.irt.linking import SIGN_CHANGED
from seedtest_assets.irt.linking_curves import is_unlike
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.item_curves import ItemCurves
from seedtest_assets.report.translations import bilingual

MISFIT = 0.1
"""RMSD from which an item should be checked: the limit of the PISA technical reports for new items."""
LOW_DISCRIMINATION = 0.2
MOVED = 0.5
"""Change of a difficulty from one night to the next; the windows of two nights share all their days but one."""
NAMED = 6


@dataclass(frozen=True)
class Finding:
    """A line of the report. level: "problem" or "notice"; text: in both languages."""

    level: str
    text: Markup


def findings(data: ReportData, curves: ItemCurves, n_left_out: int, change_b: np.ndarray) -> list[Finding]:
    """List what needs attention, problems first. change_b: of every item against the partition before, NaN where it had none."""
    all_findings = [
        *_of_checks(data),
        *_of_the_scale(data),
        *_of_items(data, curves, n_left_out, change_b),
        *_of_runs(data),
    ]
    return sorted(all_findings, key=lambda finding: finding.level != "problem")


def _of_checks(data: ReportData) -> Iterator[Finding]:
    for check in data.checks:
        if not check.passed:
            yield _finding(
                "problem" if check.severity == "ERROR" else "notice",
                "Check {name} on {asset} failed: {description}",
                name=check.name,
                asset=check.asset,
                description=check.description,
            )


def _of_the_scale(data: ReportData) -> Iterator[Finding]:
    spec, metrics = data.model_spec, data.metrics
    if metrics.get("converged") is None:
        yield _finding("notice", "The engine does not report whether the calibration converged.")
    elif not metrics["converged"]:
        yield _finding(
            "problem",
            "The calibration did not converge within {n} iterations. Do not use it before the cause is known.",
            n=metrics.get("iterations"),
        )
    blocks = linked_blocks(spec)
    if blocks:
        yield from _of_screened_items(spec)
    elif len(data.reference) or len(data.previous):
        yield _finding(
            "problem",
            "Not linked: abilities and parameters of this day are on their own scale and cannot be compared with other days.",
        )
    else:
        yield _finding("notice", "The first calibration: it defines the scale.")


def _of_screened_items(spec: dict[str, Any]) -> Iterator[Finding]:
    by_text: dict[str, list[str]] = {}
    for item, reason in screened_out(spec).items():
        if is_unlike(reason):
            text = "Linking items screened out because their scores or model changed: {n} of {of} ({names})."
        elif reason == SIGN_CHANGED or " drifted" in reason:
            text = "Linking items screened out because they moved differently from the others: {n} of {of} ({names})."
        else:  # a service may have reasons of its own
            text = "Linking items screened out: {n} of {of} ({names})."
        by_text.setdefault(text, []).append(item)
    of = sum(map(len, by_text.values())) + n_linking_items(spec)
    for text, items in by_text.items():
        yield _finding("notice", text, n=len(items), of=of, names=named(items))


def _of_items(data: ReportData, curves: ItemCurves, n_left_out: int, change_b: np.ndarray) -> Iterator[Finding]:
    names = data.items["item_id"]
    a = data.items["a"].to_numpy(float)
    for of, size, text in (
        (
            curves.misfit >= MISFIT,
            curves.misfit,
            "Items with an RMSD of 0.1 or more: {n} ({names}). Look at their curves below.",
        ),
        (
            a < LOW_DISCRIMINATION,
            -a,
            "Items with a discrimination below 0.2: {n} ({names}). Their answers carry little information or mislead.",
        ),
        (
            np.abs(change_b) >= MOVED,
            np.abs(change_b),
            "Items whose difficulty changed by 0.5 or more since the previous calibration: {n} ({names}).",
        ),
    ):
        if of.any():
            worst_first = pd.Series(size[of], index=names[of]).sort_values(ascending=False).index
            yield _finding("notice", text, n=int(of.sum()), names=named(list(worst_first)))
    if n_left_out:
        yield _finding(
            "notice",
            "Items with answers that could not be fitted: {n}. The table shows them as left out.",
            n=n_left_out,
        )
    if data.missing:
        yield _finding(
            "notice",
            "Days of the window missing from the lake: {n} ({names}). Materialize their observations.",
            n=len(data.missing),
            names=named(data.missing),
        )


def _of_runs(data: ReportData) -> Iterator[Finding]:
    failed = sum(run.status == "FAILURE" for run in data.runs)
    if failed:
        yield _finding("notice", "Failed runs among the last {of}: {n}.", n=failed, of=len(data.runs))
    retries = int(data.metrics.get("retries") or 0)
    if retries:
        yield _finding("notice", "Retries of the calibrate step before this calibration: {n}.", n=retries)


def named(names: Sequence[Any]) -> str:
    """List the first of some names, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:NAMED])
    return shown + (f", … (+{len(names) - NAMED})" if len(names) > NAMED else "")


def _finding(level: str, text: str, **values: Any) -> Finding:
    return Finding(level, bilingual(text, **values))
