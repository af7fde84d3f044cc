"""Incidents and their messages in a real PostgreSQL, sent to a real webhook: once each, in order, none lost."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.delivery import MOST_SINGLE_MESSAGES, deliver, undelivered
from seedtest_assets.alerting.events import Alert, Event, Recovery
from seedtest_assets.alerting.incidents import Outbox, close_incident, is_pending, open_incidents, record_events
from seedtest_assets_tests.alerting.conftest import UI
from seedtest_assets_tests.alerting.receivers import MailServer
from seedtest_assets_tests.conftest import ROOT, execute, rows_of
from seedtest_assets_tests.deployment import wait_for

NIGHT = datetime(2025, 11, 2, 3, 5, tzinfo=timezone.utc)
DROP = Alert(
    key="check drop",
    level="error",
    at=NIGHT,
    title="item_count_drop 2025-11-01",
    location="mirt_item_params, partition 2025-11-01",
    finding="90 items fitted, 30% of the 300 usual",
    advice=("look at the answers of the last days",),
    details=("items 90, usual_items 300",),
    link="/runs/abc",
    pending=frozenset({"check drop"}),
)
PASSES = Recovery(
    at=NIGHT + timedelta(hours=5, minutes=12), resolves={"check drop": "300 items fitted"}, link="/runs/def"
)
OPENED, RESOLVED = "ERROR item_count_drop 2025-11-01", "RESOLVED item_count_drop 2025-11-01"


def later(alert: Alert, minutes: int, **changes) -> Alert:
    return replace(alert, at=alert.at + timedelta(minutes=minutes), **changes)


def record(database, urls: str, *events: Event) -> None:
    record_events(Outbox(database=database, channels=read_channels(urls), ui_url=UI), events)


def record_and_deliver(database, urls: str, *events: Event) -> None:
    """Into the outbox, and out of it as far as the channels accept it."""
    record(database, urls, *events)
    deliver(database, read_channels(urls))


def make_due(database) -> None:
    execute(database, "UPDATE alert_delivery SET next_attempt_at = now() WHERE sent_at IS NULL")


def test_a_message_has_finding_advice_numbers_time_and_link_on_a_line_each(database, webhook):
    record_and_deliver(database, webhook.url, DROP)
    (message,) = webhook.messages
    assert message["title"] == OPENED
    assert message["message"].splitlines() == [
        "mirt_item_params, partition 2025-11-01",
        "90 items fitted, 30% of the 300 usual",
        "What to do: look at the answers of the last days",
        "items 90, usual_items 300",
        "since 2025-11-02 03:05 UTC",
        "http://ui.example:3000/runs/abc",
        "message 1, incident 1",
    ]
    assert message["type"] == "failure"


def test_an_incident_is_alerted_once_however_often_it_is_seen(database, webhook):
    record_and_deliver(database, webhook.url, DROP, later(DROP, 1), later(DROP, 2))
    record_and_deliver(database, webhook.url, later(DROP, 60))
    assert webhook.titles == [OPENED]
    (incident,) = open_incidents(database)
    assert incident.occurrences == 4
    assert incident.opened_at == NIGHT


def test_replayed_events_are_ignored(database, webhook):
    for _ in range(3):  # as after a restart that lost the cursor
        record_and_deliver(database, webhook.url, DROP, PASSES)
    assert webhook.titles == [OPENED, RESOLVED]
    assert rows_of(database, "SELECT count(*), max(occurrences) FROM incident") == [(1, 1)]


def test_resolved_says_how_long_it_lasted_and_what_is_well_again(database, webhook):
    record_and_deliver(database, webhook.url, DROP, PASSES)
    assert webhook.messages[1]["message"].splitlines() == [
        "mirt_item_params, partition 2025-11-01",
        "300 items fitted",
        "open from 2025-11-02 03:05 UTC for 5 h 12 min",
        "http://ui.example:3000/runs/def",
        "message 2, incident 1",
    ]
    assert webhook.messages[1]["type"] == "success"
    assert open_incidents(database) == []


def test_what_fails_again_after_it_was_resolved_is_a_new_incident(database, webhook):
    record_and_deliver(database, webhook.url, DROP, PASSES, later(DROP, 600))
    assert [title.split()[0] for title in webhook.titles] == ["ERROR", "RESOLVED", "ERROR"]


def test_two_partitions_are_two_incidents(database, webhook):
    other = replace(DROP, key="check drop 2", pending=frozenset({"check drop 2"}))
    record_and_deliver(database, webhook.url, DROP, other, PASSES)
    assert [title.split()[0] for title in webhook.titles] == ["ERROR", "ERROR", "RESOLVED"]
    assert len(open_incidents(database)) == 1


def test_an_incident_is_resolved_when_nothing_of_it_is_pending(database, webhook):
    record_and_deliver(
        database, webhook.url, replace(DROP, pending=frozenset({"check drop", "theta@2025-11-01"})), PASSES
    )
    assert webhook.titles == [OPENED]
    assert is_pending(database, "theta@2025-11-01")
    assert not is_pending(database, "check drop")
    materialized = Recovery(at=NIGHT + timedelta(hours=6), resolves={"theta@2025-11-01": ""}, link="/runs/ghi")
    record_and_deliver(database, webhook.url, materialized)
    assert webhook.titles[1:] == [RESOLVED]


def test_an_alert_that_an_open_incident_explains_is_suppressed(database, webhook):
    missed = replace(DROP, key="missed", title="no calibration", suppressed_by="check drop")
    record_and_deliver(database, webhook.url, DROP, later(missed, 60))
    assert webhook.titles == [OPENED]
    record_and_deliver(database, webhook.url, PASSES, later(missed, 600))
    assert webhook.titles[1:] == [RESOLVED, "ERROR no calibration"]


def test_a_recovery_from_before_an_incident_does_not_resolve_it(database, webhook):
    record_and_deliver(database, webhook.url, DROP, replace(PASSES, at=NIGHT - timedelta(minutes=1)))
    assert len(open_incidents(database)) == 1


def test_what_is_over_already_is_reported_and_not_open(database, webhook):
    record_and_deliver(database, webhook.url, replace(DROP, pending=frozenset()))
    assert len(webhook.messages) == 1
    assert open_incidents(database) == []


def test_a_channel_gets_its_level_and_above_and_the_end_of_what_it_got(database, webhook, second_webhook):
    urls = f"warn:{webhook.url}, error:{second_webhook.url}"
    record_and_deliver(database, urls, replace(DROP, level="warn"))
    assert (webhook.titles, second_webhook.titles) == (["WARN item_count_drop 2025-11-01"], [])
    record_and_deliver(database, urls, later(DROP, 5), PASSES)
    worse = [f"{OPENED} (was a warning)", RESOLVED]
    assert webhook.titles[1:] == worse
    assert second_webhook.titles == worse


def test_the_end_of_a_warning_is_not_sent_to_a_channel_for_errors(database, webhook):
    record_and_deliver(database, f"error:{webhook.url}", replace(DROP, level="warn"), PASSES)
    assert webhook.messages == []


def test_a_channel_that_is_down_loses_nothing_and_gets_everything_in_order(database, webhook):
    webhook.status = 503
    record_and_deliver(database, webhook.url, DROP, PASSES)
    assert (webhook.messages, webhook.n_refused) == ([], 1), "the end waits for its beginning"
    (stuck,) = undelivered(database, read_channels(webhook.url))
    assert (stuck.channel_name, stuck.n_messages) == ("json #1", 2)
    assert "503" in str(stuck)

    record_and_deliver(database, webhook.url)
    assert webhook.n_refused == 1, "it is not retried at once"
    make_due(database)
    record_and_deliver(database, webhook.url)
    assert webhook.n_refused == 2

    webhook.status = 200
    make_due(database)
    for _ in range(3):
        record_and_deliver(database, webhook.url)
    assert webhook.titles == [OPENED, RESOLVED]
    assert undelivered(database, read_channels(webhook.url)) == []


def test_the_wait_between_attempts_grows_to_ten_minutes(database, webhook):
    webhook.status = 503
    waits = []
    for _ in range(8):
        record_and_deliver(database, webhook.url, DROP)
        waits += rows_of(database, "SELECT round(extract(epoch FROM next_attempt_at - now()) / 30) FROM alert_delivery")
        make_due(database)
    assert [int(wait) for (wait,) in waits] == [1, 2, 4, 8, 16, 20, 20, 20]


def test_a_channel_that_is_down_does_not_hold_up_another(database, webhook, second_webhook):
    webhook.status = 503
    urls = f"{webhook.url} {second_webhook.url}"
    record_and_deliver(database, urls, DROP, PASSES)
    assert len(second_webhook.messages) == 2
    webhook.status = 200
    make_due(database)
    record_and_deliver(database, urls)
    record_and_deliver(database, urls)
    assert (len(webhook.messages), len(second_webhook.messages)) == (2, 2)


def test_a_mail_server_that_was_away_gets_what_it_missed(database):
    server = MailServer()
    url = server.url
    server.close()
    record_and_deliver(database, url, DROP)
    assert [stuck.channel_name for stuck in undelivered(database, read_channels(url))] == ["mailto #1"]
    server = MailServer(server.port)
    try:
        make_due(database)
        record_and_deliver(database, server.url)
        assert [mail["Subject"] for mail in server.messages] == [OPENED]
    finally:
        server.close()


def test_what_waited_for_an_address_that_was_corrected_goes_to_the_new_one(database, webhook, second_webhook):
    webhook.status = 403
    record_and_deliver(database, webhook.url, DROP)
    record_and_deliver(database, second_webhook.url)
    assert second_webhook.titles == [OPENED]
    assert undelivered(database, read_channels(second_webhook.url)) == []


def test_what_waits_for_an_address_that_was_removed_is_shown(database, webhook):
    webhook.status = 403
    record_and_deliver(database, webhook.url, DROP)
    (stuck,) = undelivered(database, ())
    assert "no longer in SEEDTEST_ALERT_URLS" in str(stuck)


def test_a_new_channel_does_not_get_what_others_got_before_it(database, webhook, second_webhook):
    record_and_deliver(database, webhook.url, DROP)
    record_and_deliver(database, f"{webhook.url} {second_webhook.url}", PASSES)
    assert (len(webhook.messages), second_webhook.titles) == (2, [RESOLVED])


def test_without_a_channel_incidents_are_kept(database):
    record_and_deliver(database, "", DROP)
    assert [str(incident) for incident in open_incidents(database)] == [
        f"{OPENED}, mirt_item_params, partition 2025-11-01, since 2025-11-02 03:05 UTC"
    ]


def test_many_at_once_go_out_as_one(database, webhook):
    days = [f"2025-11-{day:02d}" for day in range(1, MOST_SINGLE_MESSAGES + 2)]
    alerts = [replace(DROP, key=day, title=f"item_count_drop {day}", pending=frozenset({day})) for day in days]
    record_and_deliver(database, webhook.url, *alerts)
    (message,) = webhook.messages
    assert message["title"] == f"{len(days)} alerts"
    assert all(f"ERROR item_count_drop {day}" in message["message"] for day in days)
    assert "http://ui.example:3000/runs/abc" in message["message"]


def test_a_message_is_sent_by_one_process_at_a_time(database, webhook):
    record(database, webhook.url, DROP)
    channels = read_channels(webhook.url)
    with database.session() as other:
        other.exec_driver_sql("SELECT pg_advisory_lock(hashtext('seedtest alerts'))")
        assert deliver(database, channels) == 0
    assert deliver(database, channels) == 1
    assert len(webhook.messages) == 1


DELIVER = """
import sys
from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.delivery import deliver
from seedtest_assets.storage.database import Database
deliver(Database(sys.argv[1]), read_channels(sys.argv[2]))
"""


def test_a_process_killed_before_it_records_a_message_sends_that_one_again_with_its_number(database, webhook):
    record(database, webhook.url, DROP, PASSES)
    deliverer = subprocess.Popen(
        [sys.executable, "-c", DELIVER, database.url, webhook.url], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    webhook.before_answer = lambda: os.kill(deliverer.pid, signal.SIGKILL)
    assert deliverer.wait() == -signal.SIGKILL
    assert webhook.titles == [OPENED]

    webhook.before_answer = None
    # The killed process's lock goes when the server notices that its session is gone.
    wait_for("the lock of the killed process", lambda: deliver(database, read_channels(webhook.url)))
    assert webhook.titles == [OPENED, OPENED, RESOLVED]
    numbers = [message["message"].splitlines()[-1] for message in webhook.messages]
    assert numbers == ["message 1, incident 1", "message 1, incident 1", "message 2, incident 1"]
    assert deliver(database, read_channels(webhook.url)) == 0


def test_an_incident_that_nobody_will_repair_can_be_closed(database, webhook):
    record_and_deliver(database, webhook.url, DROP)
    (incident,) = open_incidents(database)
    assert close_incident(database, incident.incident_id)
    assert not close_incident(database, incident.incident_id)
    assert open_incidents(database) == []
    record_and_deliver(database, webhook.url, PASSES)
    assert len(webhook.messages) == 1


def test_what_was_queued_without_a_channel_goes_for_a_day_to_those_set_up_later(database, webhook, second_webhook):
    record_and_deliver(database, "", DROP)
    for _ in range(2):
        record_and_deliver(database, f"warn:{webhook.url}, error:{second_webhook.url}")
    assert webhook.titles == second_webhook.titles == [OPENED]
    record_and_deliver(database, "", PASSES)
    execute(database, "UPDATE alert_message SET created_at = created_at - interval '25 hours'")
    record_and_deliver(database, webhook.url)
    assert len(webhook.titles) == 1, "what is older than a day is no news"
