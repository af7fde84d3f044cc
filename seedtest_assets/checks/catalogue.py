"""Every check: its name, the asset it belongs to, and what it looks at."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """An entry. blocking: at ERROR, nothing is written."""

    name: str
    asset: str
    description: str
    blocking: bool = False


CALIBRATION = (
    Check(
        name="window_complete",
        asset="mirt_item_params",
        blocking=True,
        description="The lake has every day of the look-back window since the first answers. At ERROR nothing is written.",
    ),
    Check(
        name="item_count_drop",
        asset="mirt_item_params",
        blocking=True,
        description="Items fitted, against the median of the last partitions. At ERROR nothing is written.",
    ),
    Check(
        name="converged",
        asset="mirt_item_params",
        blocking=True,
        description="The estimation converged. At ERROR nothing is written.",
    ),
    Check(
        name="finite",
        asset="mirt_item_params",
        blocking=True,
        description="All parameters and abilities are finite, each in one row. At ERROR nothing is written.",
    ),
    Check(
        name="plausible_ranges",
        asset="mirt_item_params",
        blocking=True,
        description="Share of items with an implausible a, b or c. At ERROR nothing is written.",
    ),
    Check(
        name="discrimination",
        asset="mirt_item_params",
        description="Items that discriminate below 0, or whose discrimination cannot be told from 0, by name.",
    ),
    Check(
        name="anchor_drift",
        asset="mirt_item_params",
        description="Anchors against the values that the bank has published for them.",
    ),
    Check(
        name="item_drift",
        asset="mirt_item_params",
        description="Items against the median of the last partitions.",
    ),
    Check(
        name="ability_distribution",
        asset="mirt_ability",
        description="Mean, SD and share at the grid's ends against the last partitions.",
    ),
    Check(
        name="anchors_present",
        asset="mirt_fit_meta",
        description="The calibration is on the bank's scale, through as many anchors as usual.",
    ),
    Check(
        name="linking_constants",
        asset="mirt_fit_meta",
        description="A and B against the last partitions.",
    ),
    Check(
        name="predictive_validity",
        asset="mirt_fit_meta",
        description="The earlier parameters and abilities predict the day's answers better than each item's share correct.",
    ),
)
"""Judged inside the calibrate step: the blocking ones decide whether anything is written."""

OBSERVATIONS = (
    Check(
        name="answer_volume",
        asset="observations",
        description="Answers of the day against the same weekday of the last 4 weeks.",
    ),
    Check(
        name="source_matches_lake",
        asset="observations",
        description="Answers of the last 7 days in the source, against those in the lake, and whether the source is empty beside a full table.",
    ),
)

ITEM_STATISTICS = (
    Check(
        name="flagged_items",
        asset="item_statistics",
        description="Items with a flag that they never had before: suspect key, drift, misfit, exposure and others.",
    ),
)

DIF = Check(
    name="dif",
    asset="item_dif",
    description="Items that are harder for one group of students than for another of the same ability: each once. B warns, C is an error.",
)

FRESHNESS = Check(
    name="freshness", asset="mirt_fit_meta", description="Yesterday's calibration is finished in the morning."
)

PUBLISHED = Check(
    name="published", asset="mirt_fit_meta", description="Readers of the platform's tables see the newest accepted day."
)


def of_table(asset: str) -> tuple[Check, ...]:
    """List the checks of a table with a row a (student, topic)."""
    return (
        Check(
            name="theta_coverage", asset=asset, description="Every (student, topic) active on the day has an ability."
        ),
        Check(name="keys_unique", asset=asset, description="Each (student, topic) has one row."),
        Check(name="no_nulls", asset=asset, description="No value is missing that every row must have."),
        Check(name="values_in_range", asset=asset, description="Every value is possible."),
    )


TOPIC_THETA, FEATURES = of_table("student_topic_theta"), of_table("features_topic_daily")
