"""The environment as settings: what the job that ran before had works as it is."""

import pytest

from seedtest_assets.errors import SettingsError
from seedtest_assets.settings import load_settings, old_name_warnings


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("IRT_MODEL", "IRT_CALIB_LOOKBACK_DAYS", "MIRT_MODEL", "MIRT_LOOKBACK_DAYS"):
        monkeypatch.delenv(name, raising=False)


def test_1pl_is_rasch(monkeypatch):
    monkeypatch.setenv("MIRT_MODEL", "1PL")
    assert load_settings().mirt_model == "Rasch"


def test_old_names_are_read_and_reported(monkeypatch):
    monkeypatch.setenv("IRT_MODEL", "1PL")
    monkeypatch.setenv("IRT_CALIB_LOOKBACK_DAYS", "30")
    settings = load_settings()
    assert (settings.mirt_model, settings.mirt_lookback_days) == ("Rasch", 30)
    assert old_name_warnings() == [
        "IRT_MODEL is an old name of MIRT_MODEL. Its value 1PL is used. Set MIRT_MODEL instead",
        "IRT_CALIB_LOOKBACK_DAYS is an old name of MIRT_LOOKBACK_DAYS. Its value 30 is used. Set MIRT_LOOKBACK_DAYS instead",
    ]


def test_the_new_name_wins(monkeypatch):
    monkeypatch.setenv("IRT_MODEL", "3PL")
    monkeypatch.setenv("MIRT_MODEL", "2PL")
    assert load_settings().mirt_model == "2PL"
    assert old_name_warnings() == [
        "IRT_MODEL is an old name of MIRT_MODEL, and ignored because MIRT_MODEL is set. Remove IRT_MODEL"
    ]


def test_an_empty_new_name_is_unset(monkeypatch):
    monkeypatch.setenv("IRT_MODEL", "3PL")
    monkeypatch.setenv("MIRT_MODEL", "")
    assert load_settings().mirt_model == "3PL"


def test_a_bad_value_is_reported_under_the_name_it_was_set_with(monkeypatch):
    monkeypatch.setenv("IRT_MODEL", "5PL")
    with pytest.raises(
        SettingsError, match=r"^IRT_MODEL='5PL' is not allowed: Input should be 'Rasch', '2PL' or '3PL'$"
    ):
        load_settings()


def test_priors_are_read_and_those_that_are_wrong_are_named(monkeypatch):
    assert load_settings().priors.given == {}
    monkeypatch.setenv("MIRT_PRIOR_A", "0,0.5")
    monkeypatch.setenv("MIRT_FIXED_C", "0.2")
    assert load_settings().priors.given == {"prior_a": (0.0, 0.5), "fixed_c": 0.2}
    monkeypatch.setenv("MIRT_PRIOR_C", "-1.4,0.5")
    with pytest.raises(SettingsError, match=r"MIRT_PRIOR_C, MIRT_FIXED_C: .*Give one of them"):
        _ = load_settings().priors
    monkeypatch.setenv("MIRT_PRIOR_B", "two")
    with pytest.raises(SettingsError, match=r"MIRT_PRIOR_B='two' is not allowed: .*a mean and an SD"):
        load_settings()


def test_names_of_item_features_are_checked(monkeypatch):
    monkeypatch.setenv("SEEDTEST_ITEM_FEATURES", " topic_id, type,topic_id")
    assert load_settings().item_features == ("topic_id", "type")
    for wrong, reason in (("type,,level", "none may be blank"), ("irt", "irt holds the item's own parameters")):
        monkeypatch.setenv("SEEDTEST_ITEM_FEATURES", wrong)
        with pytest.raises(SettingsError, match=reason):
            load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SEEDTEST_LAKE", "ftp://me:pass-secret@files/lake"),
        ("SEEDTEST_LAKE", "ftp://me:pass/se@cret@files/lake"),
        ("R_IRT_BASE_URL", "http://me:pass-secret@irt"),
        ("R_IRT_BASE_URL", "http://me-secret@irt"),
        ("SEEDTEST_UI_URL", "https://me:pass-secret@dagster.example"),
        ("SEEDTEST_REPORTS_URL", "https://me:pass-secret@reports.example"),
    ],
)
def test_an_address_that_is_shown_may_hold_no_password(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable} is not allowed: .*may not hold a name or password") as raised:
        load_settings()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "address", ["http://scheduler:8786", "tcp://scheduler", "tcp://me:secret@scheduler:8786", "local:0"]
)
def test_the_address_of_a_cluster_is_checked(monkeypatch, address):
    monkeypatch.setenv("SEEDTEST_DASK", address)
    with pytest.raises(
        SettingsError,
        match=r"^SEEDTEST_DASK.* is not allowed: an address of a Dask scheduler is tcp://HOST:PORT, tls://HOST:PORT, or local:N",
    ):
        load_settings()


@pytest.mark.parametrize("lake", ["abfs://container@account.dfs.core.windows.net/lake", "s3://bucket/lake", "C:/lake"])
def test_an_address_without_a_password_is_allowed(monkeypatch, lake):
    monkeypatch.setenv("SEEDTEST_LAKE", lake)
    assert load_settings().seedtest_lake == lake


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MIRT_MODEL", "4PL"),
        ("MIRT_LOOKBACK_DAYS", "sixty"),
        ("MIRT_LINKING_METHOD", "guess"),
        ("MIRT_MAX_RETRIES", "-1"),
    ],
)
def test_a_bad_setting_names_variable_value_and_what_is_allowed(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=rf"{variable}='{value}' is not allowed: Input should be"):
        load_settings()
