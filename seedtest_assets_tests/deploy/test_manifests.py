"""The files in deploy/ fit the code that they deploy. Nothing here talks to a cluster."""

import re

import yaml

from seedtest_assets.cli.diagnosis_of_move import NOT_READ
from seedtest_assets.schedules import nightly_schedule
from seedtest_assets.settings import OLD_NAMES, Settings
from seedtest_assets_tests.conftest import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
VARIABLE = re.compile(r"\b(?:[A-Z]+_)+[A-Z]+\b")
OF_OTHERS = {"DAGSTER_HOME", "DAGSTER_POSTGRES_URL", "NUMBA_CACHE_DIR", "PYTHONUNBUFFERED"}
SETTINGS = {name.upper(): field.default for name, field in Settings.model_fields.items()}


def _values() -> dict:
    return yaml.safe_load((KUBERNETES / "values.yaml").read_text(encoding="utf-8"))


def _code_location() -> dict:
    (deployment,) = _values()["dagster-user-deployments"]["deployments"]
    return deployment


def test_every_manifest_is_yaml():
    for path in KUBERNETES.glob("*.yaml"):
        assert all(yaml.safe_load_all(path.read_text(encoding="utf-8"))), path.name


def test_variables_of_the_code_location_are_settings_with_values_that_are_allowed():
    values = {variable["name"]: variable["value"] for variable in _code_location()["env"]}
    settings = Settings(**{name.lower(): value for name, value in values.items()})
    assert set(values) <= set(SETTINGS)
    assert {name for name, value in values.items() if getattr(settings, name.lower()) != SETTINGS[name]} == {
        "SEEDTEST_LAKE"  # a bucket, since a pod's folder goes with the pod
    }


def test_secrets_hold_settings_or_dagsters_storage():
    secret, password = yaml.safe_load_all((KUBERNETES / "secret.example.yaml").read_text(encoding="utf-8"))
    assert set(secret["stringData"]) <= SETTINGS.keys() | OF_OTHERS
    assert [secret["name"] for secret in _code_location()["envSecrets"]] == [secret["metadata"]["name"]]
    assert _values()["global"]["postgresqlSecretName"] == password["metadata"]["name"]


def test_dagsters_configuration_in_the_cluster_is_that_of_dagster_yaml():
    here = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    config = _values()["additionalInstanceConfig"]
    assert config == {name: here[name] for name in config}
    assert here.keys() - config.keys() == {"storage", "local_artifact_storage", "compute_logs", "telemetry"}


def test_image_and_chart_serve_the_same_module_on_the_same_port():
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    location = _code_location()
    assert f'"--port", "{location["port"]}"' in dockerfile
    assert ", ".join(f'"{argument}"' for argument in location["dagsterApiGrpcArgs"]) in dockerfile
    assert re.search(r"^USER \d+$", dockerfile, re.MULTILINE)


def test_old_cron_jobs_schedule_and_variables_map_to_what_there_is():
    readme = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    assert f"`{nightly_schedule.cron_schedule}`" in readme
    named = set(VARIABLE.findall(re.sub(r"^```.*?^```$", "", readme, flags=re.MULTILINE | re.DOTALL)))
    assert named <= SETTINGS.keys() | OLD_NAMES.keys() | NOT_READ.keys() | OF_OTHERS | {"LAKE_FILESYSTEM"}
    assert OLD_NAMES.keys() | NOT_READ.keys() <= named
