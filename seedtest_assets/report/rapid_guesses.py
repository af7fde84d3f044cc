"""The report's rapid guesses: their share by item, worst first, and what another policy would change."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from seedtest_assets.calibration import CalibrationResult
from seedtest_assets.rapid_guesses import Policy, RapidCount, RapidGuesses
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.item_table import number
from seedtest_assets.report.translations import bilingual

MOST_ROWS = 25
COUNTED = {
    "keep": "Rapid guesses: {n} of {of} answers with a time ({share}). This calibration keeps them as the answers they are.",
    "wrong": "Rapid guesses: {n} of {of} answers with a time ({share}). This calibration counts them as incorrect.",
    "ignore": "Rapid guesses: {n} of {of} answers with a time ({share}). This calibration leaves them out.",
}
IF_KEPT, IF_IGNORED = "if kept", "if ignored"
BY_A_SERVICE = "The calibration is of an IRT service, so it was not run again with another policy."
SAME_POLICY = "this policy, sample"
OF_A_SAMPLE = "Both calibrations below are of a random sample of the students, {share} of all."
NOT_POSSIBLE = "The calibration with the other policy was not possible: {reason}"


@dataclass(frozen=True, kw_only=True)
class OtherPolicy:
    """The same answers calibrated with another policy, or those of a random sample of the students.

    result: None where there is none, for the reason why_not, in both languages. same_policy: of a sample, the calibration that the
    result is compared with; None where it is the day's.
    """

    policy: Policy
    result: CalibrationResult | None = None
    same_policy: CalibrationResult | None = None
    why_not: Markup | None = None


@dataclass(frozen=True, kw_only=True)
class RapidGuessData:
    """Rapid guesses of the window, how the calibration counted them, and what the other policy gives."""

    rapid: RapidGuesses
    count: RapidCount
    other: OtherPolicy


@dataclass(frozen=True, kw_only=True)
class RapidGuessSection:
    """Texts of the section. note: what to know of the comparison, None without. same, other: what is compared. facts: label, value
    of the same policy, value of the other. rows: cells of an item, worst first.
    """

    sentence: Markup
    note: Markup | None
    same: str
    other: str
    facts: list[tuple[str, str, str]]
    rows: list[list[str]]
    n_more: int


def other_policy(policy: Policy) -> Policy:
    """Choose the policy that a calibration is compared with."""
    return "keep" if policy == "ignore" else "ignore"


def rapid_guess_section(data: ReportData, rapid: RapidGuessData) -> RapidGuessSection:
    """Lay out the section."""
    count, other = rapid.count, rapid.other
    items = _items(data, rapid)
    return RapidGuessSection(
        sentence=bilingual(
            COUNTED[count.policy], n=f"{count.n:,}", of=f"{count.n_timed:,}", share=f"{count.share or 0:.2%}"
        ),
        note=_note(data, other),
        same=SAME_POLICY if other.same_policy else "this calibration",
        other=IF_KEPT if other.policy == "keep" else IF_IGNORED,
        facts=_facts(other.same_policy or data, other.result) if other.result else [],
        rows=[_cells(item) for item in items.head(MOST_ROWS).to_dict("records")],
        n_more=max(len(items) - MOST_ROWS, 0),
    )


def _note(data: ReportData, other: OtherPolicy) -> Markup | None:
    if not other.result:
        return other.why_not
    notes = []
    if other.same_policy:
        share = other.same_policy.model_spec["n_persons"] / max(data.model_spec["n_persons"], 1)
        notes.append(bilingual(OF_A_SAMPLE, share=f"{share:.0%}"))
    if not other.result.metrics["converged"]:
        notes.append(bilingual("The calibration with the other policy did not converge: read its numbers with care."))
    if other.same_policy and not other.same_policy.metrics["converged"]:
        notes.append(
            bilingual("With this policy the calibration of the sample did not converge: read its numbers with care.")
        )
    return Markup(" ").join(notes) if notes else None


def _items(data: ReportData, rapid: RapidGuessData) -> pd.DataFrame:
    """Items with rapid guesses, the largest share first, with a and b of both calibrations, NaN where there is none."""
    found = rapid.rapid
    items = pd.DataFrame(
        {
            "item_id": found.item_ids.to_pylist(),
            "threshold": found.thresholds,
            "n_timed": found.n_timed,
            "n_rapid": found.n_rapid,
        }
    ).query("n_rapid > 0")
    items["share"] = items["n_rapid"] / items["n_timed"]
    same = (rapid.other.same_policy or data).items
    other = rapid.other.result.items if rapid.other.result else data.items.head(0)
    for suffix, parameters in (("", same), ("_other", other)):
        known = parameters.set_index("item_id")[["a", "b"]].astype(float).add_suffix(suffix)
        items = items.join(known, on="item_id")
    return items.sort_values(["share", "n_rapid"], ascending=False, kind="stable")


def _cells(item: dict) -> list[str]:
    return [
        str(item["item_id"]),
        number(item["threshold"] / 1000, 1),
        f"{item['n_timed']:,}",
        f"{item['n_rapid']:,}",
        f"{item['share']:.1%}",
        number(item["a"]),
        number(item["a_other"]),
        number(item["b"]),
        number(item["b_other"]),
        number(item["b_other"] - item["b"], signed=True),
    ]


def _facts(same: ReportData | CalibrationResult, other: CalibrationResult) -> list[tuple[str, str, str]]:
    """What the policies change in all: label, as fitted, as it would be. same: the calibration that the other is compared with."""
    both = same.items.merge(other.items, on="item_id", suffixes=("", "_other"))
    reliabilities = [number(metrics.get("reliability")) for metrics in (same.metrics, other.metrics)]
    facts = [("Reliability", reliabilities[0], reliabilities[1])]
    for label, name in (("Items fitted", "n_items"), ("Students", "n_persons"), ("Answers used", "n_observations")):
        facts.append((label, f"{same.model_spec[name]:,}", f"{other.model_spec[name]:,}"))
    for label, name in (("largest change of a", "a"), ("largest change of b", "b")):
        change = np.abs(both[f"{name}_other"] - both[name]).max() if len(both) else np.nan
        facts.append((label, "", number(change)))
    return facts
