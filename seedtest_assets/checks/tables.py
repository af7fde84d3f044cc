"""Are student_topic_theta and features_topic_daily whole? Judged from counts of a partition."""

from seedtest_assets.checks.judgement import Judgement, Trend, Verdict
from seedtest_assets.storage.table_facts import TableFacts
from seedtest_assets.thresholds import Thresholds

ADVICE = "Run the day again from this asset on. If it fails again, the rows that the number counts are at fault"


def judge_table(facts: TableFacts, limits: Thresholds, *, abilities_expected: bool = True) -> list[Judgement]:
    """Judge a day of a table by every check of catalogue.of_table."""
    return [
        theta_coverage(facts, limits, abilities_expected=abilities_expected),
        keys_unique(facts),
        no_nulls(facts),
        values_in_range(facts),
    ]


def theta_coverage(facts: TableFacts, limits: Thresholds, *, abilities_expected: bool = True) -> Judgement:
    """ERROR when a (student, topic) of the day has no ability. abilities_expected: False where they are switched off."""
    share = facts.covered / facts.active if facts.active else 1.0
    if not abilities_expected:
        finding = "abilities among the features are switched off (AGG_INCLUDE_THETA)"
    elif facts.active:
        finding = f"{facts.covered:,} of the {facts.active:,} (student, topic) pairs active on the day have an ability"
    else:
        finding = "no answers with a topic on this day"
    return Judgement(
        check="theta_coverage",
        verdict=Verdict.ERROR if abilities_expected and share < limits.coverage_error_below else Verdict.PASS,
        finding=finding,
        advice="Run the day again from mirt_item_params on. If pairs are still missing, their students have no row in mirt_ability",
        numbers={
            "covered": facts.covered,
            "active": facts.active,
            "share": share,
        },
        limits={"error_below": limits.coverage_error_below},
        history=_rows(facts),
    )


def keys_unique(facts: TableFacts) -> Judgement:
    """ERROR when a (student, topic) has more than one row."""
    return _none_of("keys_unique", facts, facts.rows - facts.keys, "rows repeat a student and topic")


def no_nulls(facts: TableFacts) -> Judgement:
    """ERROR when a value is missing that every row must have."""
    return _none_of("no_nulls", facts, facts.nulls, "rows lack a value that they must have")


def values_in_range(facts: TableFacts) -> Judgement:
    """ERROR when a value is impossible."""
    return _none_of("values_in_range", facts, facts.outside, "rows have an impossible value")


def _none_of(check: str, facts: TableFacts, n_bad: int, fault: str) -> Judgement:
    return Judgement(
        check=check,
        verdict=Verdict.ERROR if n_bad else Verdict.PASS,
        finding=f"{n_bad:,} of {facts.rows:,} {fault}" if n_bad else f"none of the {facts.rows:,} {fault}",
        advice=ADVICE,
        numbers={"rows": facts.rows, "bad_rows": n_bad},
        limits={"allowed": 0},
        history=_rows(facts),
    )


def _rows(facts: TableFacts) -> Trend:
    return Trend(values=[*facts.rows_before, facts.rows], label="rows")
