"""What is odd about the source or the environment, reported by the night itself."""

import dagster as dg
import pytest

from seedtest_assets_tests.conftest import execute
from seedtest_assets_tests.school import LAST, checks_of, run_night

pytestmark = pytest.mark.usefixtures("without_pictures")


def test_an_empty_source_beside_a_full_table_warns(instance, platform):
    execute(platform, "INSERT INTO responses VALUES ('u1', '5', true, now())")
    result = run_night(instance, LAST)
    assert result.failure is None
    check = checks_of(instance, result.run_id)["observations", "source_matches_lake"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "the source attempt has no answers at all, but responses has" in check.description


def test_old_names_of_variables_are_in_the_runs_log(instance, platform, monkeypatch):
    monkeypatch.setenv("IRT_MODEL", "1PL")
    result = run_night(instance, LAST)
    messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any("IRT_MODEL is an old name of MIRT_MODEL. Its value 1PL is used" in message for message in messages)
