"""What a reader should look at first: the problems of a calibration, then what is worth a notice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from seedtest_assets.report.data import ReportData
from seedtest_assets.report.item_curves import ItemCurves
from seedtest_assets.report.words import both

MISFIT = 0.1
"""RMSD from which an item deserves a look: the limit of the PISA technical reports for new items."""
LOW_DISCRIMINATION = 0.2
MOVED = 0.5
"""Change of a difficulty from one night to the next; the windows of two nights share all their days but one."""
NAMED = 6


@dataclass(frozen=True)
class Finding:
    """level: "bad" or "look"; text in both languages."""

    level: str
    text: Markup


def findings(data: ReportData, curves: ItemCurves, n_left_out: int, change_b: np.ndarray) -> list[Finding]:
    """Problems first. change_b: of every item against the partition before, NaN where it had none."""
    found = [*_of_checks(data), *_of_the_scale(data), *_of_items(data, curves, n_left_out, change_b), *_of_runs(data)]
    return sorted(found, key=lambda finding: finding.level != "bad")


def _of_checks(data: ReportData) -> Iterator[Finding]:
    for check in data.checks:
        if not check.passed:
            yield _found(
                "bad" if check.severity == "ERROR" else "look",
                "Check {name} on {asset} failed: {description}",
                name=check.name,
                asset=check.asset,
                description=check.description,
            )


def _of_the_scale(data: ReportData) -> Iterator[Finding]:
    spec, metrics = data.model_spec, data.metrics
    if metrics.get("converged") is None:
        yield _found("look", "The engine does not say whether the calibration converged.")
    elif not metrics["converged"]:
        yield _found(
            "bad",
            "The calibration did not converge within {n} iterations: do not use it before the cause is known.",
            n=metrics.get("iterations"),
        )
    constants = spec.get("linking_constants")
    if constants:
        screened = list(constants.get("screened_out") or {})
        if screened:
            yield _found(
                "look",
                "Linking items screened out because they moved unlike the others: {n} of {of} ({names}).",
                n=len(screened),
                of=len(screened) + int(constants.get("n_anchors_used") or 0),
                names=named(screened),
            )
    elif len(data.reference) or len(data.previous):
        yield _found(
            "bad",
            "Not linked: abilities and parameters of this day are on a scale of their own and cannot be compared with other days.",
        )
    else:
        yield _found("look", "The first calibration: it defines the scale.")


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
            "Items with a discrimination below 0.2: {n} ({names}). Their answers tell little or mislead.",
        ),
        (
            np.abs(change_b) >= MOVED,
            np.abs(change_b),
            "Items whose difficulty moved by 0.5 or more since the partition before: {n} ({names}).",
        ),
    ):
        if of.any():
            worst_first = pd.Series(size[of], index=names[of]).sort_values(ascending=False).index
            yield _found("look", text, n=int(of.sum()), names=named(list(worst_first)))
    if n_left_out:
        yield _found(
            "look", "Items with answers that could not be fitted: {n}. The table shows them as left out.", n=n_left_out
        )
    if data.missing:
        yield _found(
            "look",
            "Days of the window that are not in the lake: {n} ({names}). Materialise their observations.",
            n=len(data.missing),
            names=named(data.missing),
        )


def _of_runs(data: ReportData) -> Iterator[Finding]:
    failed = sum(run.status == "FAILURE" for run in data.runs)
    if failed:
        yield _found("look", "Failed runs among the last {of}: {n}.", n=failed, of=len(data.runs))
    retries = int(data.metrics.get("retries") or 0)
    if retries:
        yield _found("look", "Retries of the calibrate step before this calibration: {n}.", n=retries)


def named(names: Sequence[Any]) -> str:
    """The first of some names, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:NAMED])
    return shown + (f", … (+{len(names) - NAMED})" if len(names) > NAMED else "")


def _found(level: str, text: str, **values: Any) -> Finding:
    return Finding(level, both(text, **values))
