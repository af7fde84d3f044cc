"""What the terminal says of a day's run."""

from seedtest_assets.cli.day_outcome import outcome_in_short, outcome_of_day
from seedtest_assets.cli.run_days import INTERRUPTED, DayRun


def test_a_run_that_is_interrupted_between_the_tables_of_a_calibration_is_described():
    observations = {"dagster/row_count": 7, "source": "attempt", "left_out": {}}
    items = {"dagster/row_count": 24, "published": "yes"}
    run = DayRun(
        run_id="a1b2c3d4e5", failure=INTERRUPTED, metadata={"observations": observations, "mirt_item_params": items}
    )
    said = dict(outcome_of_day(run))
    assert said["answers"] == "7 of the day, from attempt"
    assert said["written"] == "24 items"
    assert "linked" not in said
    assert outcome_in_short(run) == ["7 answers; 0 checks passed; failed; 0.0 s"]
