"""Settings: the names of their variables, their defaults, and what is said of a wrong value."""

import pytest

from seedtest_assets.errors import SettingsError
from seedtest_assets.settings import Settings, load_settings
from seedtest_assets.thresholds import Thresholds


def test_an_empty_variable_is_the_default(monkeypatch):
    variables = [str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()]
    for variable in variables:
        monkeypatch.delenv(variable, raising=False)
    defaults = load_settings()
    for variable in variables:
        monkeypatch.setenv(variable, "")
    assert load_settings() == defaults


def test_limits_have_a_meaning_and_are_read_from_variables_with_a_prefix(monkeypatch):
    assert [name for name, field in Thresholds.model_fields.items() if not field.description] == []
    monkeypatch.setenv("SEEDTEST_DRIFT_B_SEVERE", "0.75")
    monkeypatch.setenv("DRIFT_B_MODERATE", "9")  # another program's
    assert (load_settings().drift_b_severe, load_settings().drift_b_moderate) == (0.75, 0.25)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MIRT_MODEL", "4PL"), ("SEEDTEST_DRIFT_B_SEVERE", "-1"), ("SEEDTEST_START_DATE", "yesterday")],
)
def test_a_wrong_value_is_named_with_its_variable(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable}='{value}' is not allowed: "):
        load_settings()
