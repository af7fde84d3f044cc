"""Resources: what the UI shows of them, what a run may change, and that asking for an address starts nothing and keeps nothing."""

import gc

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.remote_representation.external_data import RepositorySnap

from seedtest_assets.definitions import defs
from seedtest_assets.errors import SettingsError
from seedtest_assets.resources import AlertChannels, CheckLimits, IrtEngine, PlatformDatabase, resources_from
from seedtest_assets.schedules import check_resources_job
from seedtest_assets.settings import load_settings, revealed
from seedtest_assets.storage.database import platform_database, prepared_database
from seedtest_assets_tests.conftest import execute, rows_of

SECRETS = {
    "DATABASE_URL": "postgresql://platform:hidden@db.example/platform",
    "R_IRT_INTERNAL_TOKEN": "hidden-token",
    "SEEDTEST_ALERT_URLS": "json://user:hidden@alerts.example/",
}


def shown_in_the_ui():
    """The values that the UI shows, by resource and field."""
    resources = resources_from(load_settings())
    snap = RepositorySnap.from_def(dg.Definitions(resources=resources).get_repository_def())
    return {resource.name: resource.configured_values for resource in snap.resources}


def values_in_a_run(run_config):
    """What a run with this config gets to work with."""
    seen = {}

    @dg.op
    def look(platform: PlatformDatabase, engine: IrtEngine, limits: CheckLimits):
        seen.update(platform=platform.settings, engine=engine.settings, limits=limits.thresholds)

    @dg.job(resource_defs=resources_from(load_settings()))
    def looking():
        look()

    looking.execute_in_process(run_config=run_config)
    return seen


def test_the_ui_shows_every_resource_with_its_values_and_no_secret(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MIRT_MODEL", "3PL")
    shown = shown_in_the_ui()
    assert set(shown) == {
        "platform",
        "source",
        "lake",
        "engine",
        "group_query",
        "channels",
        "feature_rules",
        "limits",
    }
    assert set(shown) == set(defs.resources or {})
    assert shown["engine"]["mirt_model"] == '"3PL"'
    assert shown["platform"]["database_url"].name == "DATABASE_URL"
    assert shown["engine"]["r_irt_internal_token"].name == "R_IRT_INTERNAL_TOKEN"
    assert "hidden" not in str(shown)
    assert "hidden" not in repr(load_settings())


def test_a_run_that_changes_one_field_keeps_the_others_and_the_secrets(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MIRT_LINKING_METHOD", "haebara")
    monkeypatch.setenv("SEEDTEST_RANGE_C", "0.4")
    seen = values_in_a_run(
        {
            "resources": {
                "platform": {"config": {"seedtest_publish": False}},
                "engine": {"config": {"mirt_model": "Rasch"}},
                "limits": {"config": {"limits": {"range_b": 8}}},
            }
        }
    )
    assert seen["platform"].seedtest_publish is False
    assert revealed(seen["platform"].database_url) == SECRETS["DATABASE_URL"]
    assert (seen["engine"].mirt_model, seen["engine"].mirt_linking_method) == ("Rasch", "haebara")
    assert revealed(seen["engine"].r_irt_internal_token) == SECRETS["R_IRT_INTERNAL_TOKEN"]
    assert (seen["limits"].range_b, seen["limits"].range_c) == (8, 0.4)


def test_channels_have_their_addresses_where_they_are_needed(monkeypatch):
    monkeypatch.setenv("SEEDTEST_ALERT_URLS", SECRETS["SEEDTEST_ALERT_URLS"])
    assert AlertChannels().addresses == SECRETS["SEEDTEST_ALERT_URLS"]
    monkeypatch.delenv("SEEDTEST_ALERT_URLS")
    assert AlertChannels().addresses is None


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: IrtEngine(mirt_model="9PL").settings, "MIRT_MODEL='9PL' is not allowed"),
        (lambda: CheckLimits(limits={"range_b": -1}).thresholds, "SEEDTEST_RANGE_B=-1.0 is not allowed"),
        (lambda: CheckLimits(limits={"range_x": 1}).thresholds, "range_x: no such limit"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(read, message):
    with pytest.raises(SettingsError, match=message):
        read()


def test_asking_for_the_address_of_the_embedded_database_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert platform_database(load_settings()).url.endswith("/postgres")
    assert PlatformDatabase().settings.database_url is None
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_prepared_is_only_read(settings, platform):
    prepared_database(settings)
    (name,) = rows_of(platform, "SELECT current_database()")[0]
    execute(platform, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert prepared_database(settings).url == platform.url


def test_asking_again_and_again_whether_a_database_is_prepared_keeps_no_memory(settings):
    def tables() -> int:
        gc.collect()
        # Not isinstance, which asks the proxies that other tests left of what is gone, and raises.
        return sum(type(thing) is sa.Table for thing in gc.get_objects())

    prepared_database(settings)
    before = tables()
    for _ in range(5):
        prepared_database(settings)
    assert tables() == before


def check_resources(**changed):
    return check_resources_job.execute_in_process(
        resources=resources_from(load_settings()), run_config={"resources": changed}, raise_on_error=False
    )


def test_a_job_opens_every_resource_and_says_what_it_leads_to(platform, monkeypatch):
    monkeypatch.delenv("SEEDTEST_DASK", raising=False)
    done = check_resources()
    assert done.success
    (output,) = [event.step_output_data for event in done.all_events if event.is_successful_output]
    facts = {name: value.value for name, value in output.metadata.items()}
    assert facts["platform"] == platform.address
    assert facts["source"] == "attempt"
    assert facts["lake"].endswith("/lake: 0 days")
    assert facts["engine"] == "in-process, 2PL, stocking_lord"


@pytest.mark.usefixtures("platform")
def test_the_job_names_a_value_of_run_config_that_does_not_work(monkeypatch):
    monkeypatch.delenv("SEEDTEST_DASK", raising=False)
    for changed, reason in (
        ({"engine": {"config": {"r_irt_base_url": "ftp://irt"}}}, "R_IRT_BASE_URL='ftp://irt' is not allowed"),
        ({"limits": {"config": {"limits": {"range_x": 1.0}}}}, "range_x: no such limit"),
    ):
        done = check_resources(**changed)
        (failure,) = [event.step_failure_data for event in done.all_events if event.is_step_failure]
        assert reason in failure.user_failure_data.description
