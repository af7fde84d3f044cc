"""Are student_topic_theta and features_topic_daily whole? Judged from counts of a partition."""

from seedtest_assets.checks.judgement import Judgement, Level
from seedtest_assets.storage.table_facts import TableFacts
from seedtest_assets.thresholds import Thresholds

TO_DO = "run the day again from this asset on; if it fails again, the rows named by the number are at fault"


def theta_coverage(facts: TableFacts, limits: Thresholds, wanted: bool = True) -> Judgement:
    """Every (student, topic) of the day has an ability. wanted: False where abilities are switched off."""
    share = facts.covered / facts.active if facts.active else 1.0
    bad = wanted and share < limits.coverage_error_below
    said = (
        "abilities among the features are switched off (AGG_INCLUDE_THETA)"
        if not wanted
        else f"{facts.covered:,} of the {facts.active:,} (student, topic) pairs active on the day have an ability"
        if facts.active
        else "no answers with a topic on this day"
    )
    return Judgement(
        "theta_coverage",
        Level.ERROR if bad else Level.PASS,
        said,
        "run the day again from mirt_item_params on; if pairs are still missing, their students have no row in mirt_ability",
        {
            "covered": facts.covered,
            "active": facts.active,
            "share": share,
            "error_below": limits.coverage_error_below,
        },
        [*facts.rows_before, facts.rows],
        "rows",
    )


def keys_unique(facts: TableFacts) -> Judgement:
    """Each (student, topic) comes once."""
    return _none_of("keys_unique", facts, facts.rows - facts.keys, "rows repeat a student and topic")


def no_nulls(facts: TableFacts) -> Judgement:
    """Nothing that must be known is unknown."""
    return _none_of("no_nulls", facts, facts.nulls, "rows lack a value that must be there")


def values_in_range(facts: TableFacts) -> Judgement:
    """Every value is one that can be."""
    return _none_of("values_in_range", facts, facts.outside, "rows have a value that cannot be")


def _none_of(check: str, facts: TableFacts, n_bad: int, what: str) -> Judgement:
    return Judgement(
        check,
        Level.ERROR if n_bad else Level.PASS,
        f"{n_bad:,} of {facts.rows:,} {what}" if n_bad else f"none of the {facts.rows:,} {what}",
        TO_DO,
        {"rows": facts.rows, "bad_rows": n_bad, "allowed": 0},
        [*facts.rows_before, facts.rows],
        "rows",
    )
