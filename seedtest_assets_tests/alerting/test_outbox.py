"""Incidents and their messages in a real PostgreSQL, sent to a real webhook: once each, in order, none lost."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from seedtest_assets.alerting.channels import read_channels
from seedtest_assets.alerting.delivery import MANY, deliver, waiting
from seedtest_assets.alerting.events import Relief, Trouble
from seedtest_assets.alerting.incidents import close_incident, is_owed, open_incidents, take_into_account
from seedtest_assets_tests.alerting.receivers import MailServer, Webhook
from seedtest_assets_tests.conftest import execute, rows_of

NIGHT = datetime(2025, 11, 2, 3, 5, tzinfo=timezone.utc)
UI = "http://ui.example:3000/"
DROP = Trouble(
    key="check drop",
    level="error",
    at=NIGHT,
    what="item_count_drop 2025-11-01",
    where="mirt_item_params, partition 2025-11-01",
    how_much=("90 items fitted, 30% of the 300 usual", "items 90, usual_items 300"),
    link="/runs/abc",
    owes=frozenset({"check drop"}),
)
PASSES = Relief(NIGHT + timedelta(hours=5, minutes=12), {"check drop": "300 items fitted"}, "/runs/def")


@pytest.fixture
def second():
    hook = Webhook()
    yield hook
    hook.close()


def later(trouble: Trouble, minutes: int, **changes) -> Trouble:
    return replace(trouble, at=trouble.at + timedelta(minutes=minutes), **changes)


def tell(database, urls: str, *news: Trouble | Relief) -> None:
    """Into the outbox, and out of it as far as the channels take it."""
    channels = read_channels(urls)
    take_into_account(database, news, channels, UI)
    deliver(database, channels)


def make_due(database) -> None:
    execute(database, "UPDATE seedtest_alert_delivery SET next_try_at = now() WHERE sent_at IS NULL")


def test_a_message_says_what_where_how_much_since_when_and_links_to_the_run(database, webhook):
    tell(database, webhook.url, DROP)
    (message,) = webhook.messages
    assert message["title"] == "ERROR item_count_drop 2025-11-01"
    assert message["message"].splitlines() == [
        "mirt_item_params, partition 2025-11-01",
        "90 items fitted, 30% of the 300 usual",
        "items 90, usual_items 300",
        "since 2025-11-02 03:05 UTC",
        "http://ui.example:3000/runs/abc",
        "message 1, incident 1",
    ]
    assert message["type"] == "failure"


def test_an_incident_is_told_once_however_often_it_is_seen(database, webhook):
    tell(database, webhook.url, DROP, later(DROP, 1), later(DROP, 2))
    tell(database, webhook.url, later(DROP, 60))
    assert webhook.titles == ["ERROR item_count_drop 2025-11-01"]
    (incident,) = open_incidents(database)
    assert incident.times == 4
    assert incident.opened_at == NIGHT


def test_the_same_news_again_changes_nothing(database, webhook):
    for _ in range(3):  # as after a restart that lost the cursor
        tell(database, webhook.url, DROP, PASSES)
    assert webhook.titles == ["ERROR item_count_drop 2025-11-01", "RESOLVED item_count_drop 2025-11-01"]
    assert rows_of(database, "SELECT count(*), max(times) FROM seedtest_incident") == [(1, 1)]


def test_resolved_says_how_long_it_lasted_and_what_is_well_again(database, webhook):
    tell(database, webhook.url, DROP, PASSES)
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
    tell(database, webhook.url, DROP, PASSES, later(DROP, 600))
    assert [title.split()[0] for title in webhook.titles] == ["ERROR", "RESOLVED", "ERROR"]


def test_two_partitions_are_two_incidents(database, webhook):
    tell(database, webhook.url, DROP, replace(DROP, key="check drop 2", owes=frozenset({"check drop 2"})), PASSES)
    assert [title.split()[0] for title in webhook.titles] == ["ERROR", "ERROR", "RESOLVED"]
    assert len(open_incidents(database)) == 1


def test_an_incident_is_resolved_when_all_that_it_owes_is_there(database, webhook):
    tell(database, webhook.url, replace(DROP, owes=frozenset({"check drop", "theta@2025-11-01"})), PASSES)
    assert webhook.titles == ["ERROR item_count_drop 2025-11-01"]
    assert is_owed(database, "theta@2025-11-01")
    assert not is_owed(database, "check drop")
    tell(database, webhook.url, Relief(NIGHT + timedelta(hours=6), {"theta@2025-11-01": ""}, "/runs/ghi"))
    assert webhook.titles[1:] == ["RESOLVED item_count_drop 2025-11-01"]


def test_good_news_from_before_an_incident_does_not_resolve_it(database, webhook):
    tell(database, webhook.url, DROP, replace(PASSES, at=NIGHT - timedelta(minutes=1)))
    assert len(open_incidents(database)) == 1


def test_what_is_over_already_is_told_and_not_open(database, webhook):
    tell(database, webhook.url, replace(DROP, owes=frozenset()))
    assert len(webhook.messages) == 1
    assert open_incidents(database) == []


def test_a_channel_gets_its_level_and_above_and_the_end_of_what_it_was_told(database, webhook, second):
    urls = f"warn:{webhook.url}, error:{second.url}"
    tell(database, urls, replace(DROP, level="warn"))
    assert (webhook.titles, second.titles) == (["WARN item_count_drop 2025-11-01"], [])
    tell(database, urls, later(DROP, 5), PASSES)
    worse = ["ERROR item_count_drop 2025-11-01 (was a warning)", "RESOLVED item_count_drop 2025-11-01"]
    assert webhook.titles[1:] == worse
    assert second.titles == worse


def test_a_warning_that_ends_is_not_told_to_a_channel_for_errors(database, webhook):
    tell(database, f"error:{webhook.url}", replace(DROP, level="warn"), PASSES)
    assert webhook.messages == []


def test_a_channel_that_is_down_loses_nothing_and_gets_everything_in_order(database, webhook):
    webhook.status = 503
    tell(database, webhook.url, DROP, PASSES)
    assert (webhook.messages, webhook.refused) == ([], 1), "the end waits for its beginning"
    (stuck,) = waiting(database, read_channels(webhook.url))
    assert (stuck.channel_name, stuck.n_messages) == ("json #1", 2)
    assert "503" in str(stuck)

    tell(database, webhook.url)
    assert webhook.refused == 1, "it is not tried again at once"
    make_due(database)
    tell(database, webhook.url)
    assert webhook.refused == 2

    webhook.status = 200
    make_due(database)
    for _ in range(3):
        tell(database, webhook.url)
    assert webhook.titles == ["ERROR item_count_drop 2025-11-01", "RESOLVED item_count_drop 2025-11-01"]
    assert waiting(database, read_channels(webhook.url)) == []


def test_the_wait_between_tries_grows_to_ten_minutes(database, webhook):
    webhook.status = 503
    waits = []
    for _ in range(8):
        tell(database, webhook.url, DROP)
        waits += rows_of(
            database, "SELECT round(extract(epoch FROM next_try_at - now()) / 30) FROM seedtest_alert_delivery"
        )
        make_due(database)
    assert [int(wait) for (wait,) in waits] == [1, 2, 4, 8, 16, 20, 20, 20]


def test_a_channel_that_is_down_does_not_hold_up_another(database, webhook, second):
    webhook.status = 503
    tell(database, f"{webhook.url} {second.url}", DROP, PASSES)
    assert len(second.messages) == 2
    webhook.status = 200
    make_due(database)
    tell(database, f"{webhook.url} {second.url}")
    tell(database, f"{webhook.url} {second.url}")
    assert (len(webhook.messages), len(second.messages)) == (2, 2)


def test_a_mail_server_that_was_away_gets_what_it_missed(database):
    server = MailServer()
    url = server.url
    server.close()
    tell(database, url, DROP)
    assert [stuck.channel_name for stuck in waiting(database, read_channels(url))] == ["mailto #1"]
    server = MailServer(server.port)
    try:
        make_due(database)
        tell(database, server.url)
        assert [mail["Subject"] for mail in server.messages] == ["ERROR item_count_drop 2025-11-01"]
    finally:
        server.close()


def test_what_waited_for_an_address_that_was_mended_goes_to_the_new_one(database, webhook, second):
    webhook.status = 403
    tell(database, webhook.url, DROP)
    tell(database, second.url)
    assert second.titles == ["ERROR item_count_drop 2025-11-01"]
    assert waiting(database, read_channels(second.url)) == []


def test_what_waits_for_an_address_that_was_removed_is_shown(database, webhook):
    webhook.status = 403
    tell(database, webhook.url, DROP)
    (stuck,) = waiting(database, ())
    assert "no longer in SEEDTEST_ALERT_URLS" in str(stuck)


def test_a_new_channel_does_not_get_what_others_got_before_it(database, webhook, second):
    tell(database, webhook.url, DROP)
    tell(database, f"{webhook.url} {second.url}", PASSES)
    assert (len(webhook.messages), second.titles) == (2, ["RESOLVED item_count_drop 2025-11-01"])


def test_without_a_channel_incidents_are_kept(database):
    tell(database, "", DROP)
    assert [str(incident) for incident in open_incidents(database)] == [
        "ERROR item_count_drop 2025-11-01, mirt_item_params, partition 2025-11-01, since 2025-11-02 03:05 UTC"
    ]


def test_many_at_once_go_out_as_one(database, webhook):
    days = [f"2025-11-{day:02d}" for day in range(1, MANY + 2)]
    tell(
        database,
        webhook.url,
        *[replace(DROP, key=day, what=f"item_count_drop {day}", owes=frozenset({day})) for day in days],
    )
    (message,) = webhook.messages
    assert message["title"] == f"{len(days)} alerts"
    assert all(f"ERROR item_count_drop {day}" in message["message"] for day in days)
    assert "http://ui.example:3000/runs/abc" in message["message"]


def test_a_message_is_sent_by_one_process_at_a_time(database, webhook):
    channels = read_channels(webhook.url)
    take_into_account(database, [DROP], channels, UI)
    with database.session() as other:
        other.exec_driver_sql("SELECT pg_advisory_lock(hashtext('seedtest alerts'))")
        assert deliver(database, channels) == 0
    assert deliver(database, channels) == 1
    assert len(webhook.messages) == 1


def test_an_incident_that_nobody_will_repair_can_be_closed(database, webhook):
    tell(database, webhook.url, DROP)
    (incident,) = open_incidents(database)
    assert close_incident(database, incident.incident_id)
    assert not close_incident(database, incident.incident_id)
    assert open_incidents(database) == []
    tell(database, webhook.url, PASSES)
    assert len(webhook.messages) == 1


def test_what_was_put_in_without_a_channel_is_sent_to_those_that_come_for_a_day(database, webhook, second):
    tell(database, "", DROP)
    tell(database, f"warn:{webhook.url}, error:{second.url}")
    tell(database, f"warn:{webhook.url}, error:{second.url}")
    assert webhook.titles == second.titles == ["ERROR item_count_drop 2025-11-01"]
    tell(database, "", PASSES)
    execute(database, "UPDATE seedtest_alert_message SET created_at = created_at - interval '25 hours'")
    tell(database, webhook.url)
    assert len(webhook.titles) == 1, "nobody is told of the day before yesterday"
