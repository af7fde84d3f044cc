"""The state between two passes of the monitor, in a sensor's cursor."""

from datetime import datetime, timedelta, timezone

import pytest

from seedtest_assets.alerting.monitor import MonitorState, read_state, write_state

NOW = datetime(2025, 11, 2, 3, 0, 0, 123456, tzinfo=timezone.utc)


def test_the_state_survives_in_the_cursor():
    state = MonitorState(
        monitoring_since=NOW,
        last_pass=NOW,
        daemon_up_since=NOW,
        last_event_id=17,
        seen_event_ids=(16, 17),
        service_failures=2,
        service_failing_since=NOW,
    )
    assert read_state(write_state(state), NOW + timedelta(days=1)) == state


@pytest.mark.parametrize("cursor", [None, "", '{"first": "2025-11-01T00:00:00Z", "after": 12}', "not JSON"])
def test_a_cursor_that_cannot_be_read_begins_a_new_state(cursor):
    assert read_state(cursor, NOW) == MonitorState(monitoring_since=NOW, last_pass=NOW, daemon_up_since=NOW)
