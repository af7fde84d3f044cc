"""The files in deploy/ fit the code that they deploy. Nothing here talks to a cluster."""

import re
from collections.abc import Iterator

import kubernetes_validate
import yaml

from seedtest_assets.cli.doctor.move import NOT_READ
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


# Every key of values.yaml, looked up in the schema of Dagster's chart (its sources, dagster-io/dagster, helm/dagster/schema/schema/charts), and the
# type that it has there. What is below env, resources and additionalInstanceConfig is Kubernetes' or Dagster's own, not the chart's.
CHART = {
    "global.postgresqlSecretName": str,
    "generatePostgresqlPasswordSecret": bool,
    "postgresql.enabled": bool,
    "postgresql.postgresqlHost": str,
    "postgresql.postgresqlUsername": str,
    "postgresql.postgresqlDatabase": str,
    "dagster-user-deployments.enabled": bool,
    "dagster-user-deployments.deployments.name": str,
    "dagster-user-deployments.deployments.image.repository": str,
    "dagster-user-deployments.deployments.image.tag": str,
    "dagster-user-deployments.deployments.image.pullPolicy": str,
    "dagster-user-deployments.deployments.dagsterApiGrpcArgs": str,
    "dagster-user-deployments.deployments.port": int,
    "dagster-user-deployments.deployments.includeConfigInLaunchedRuns.enabled": bool,
    "dagster-user-deployments.deployments.envSecrets.name": str,
    "dagster-user-deployments.deployments.env": dict,
    "runLauncher.type": str,
    "runLauncher.config.k8sRunLauncher.imagePullPolicy": str,
    "runLauncher.config.k8sRunLauncher.resources": dict,
    "dagsterDaemon.enabled": bool,
    "dagsterDaemon.runCoordinator.enabled": bool,
    "dagsterDaemon.runCoordinator.type": str,
    "dagsterDaemon.runMonitoring.enabled": bool,
    "dagsterDaemon.runRetries.enabled": bool,
    "additionalInstanceConfig": dict,
    "retention.enabled": bool,
    "telemetry.enabled": bool,
}
OBJECTS = {path for path, kind in CHART.items() if kind is dict}


def _keys(value: object, path: str = "") -> Iterator[tuple[str, type]]:
    """The paths of the values, those in a list like those of one entry."""
    if isinstance(value, dict) and path not in OBJECTS:
        for key, below in value.items():
            yield from _keys(below, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for entry in value:
            yield from _keys(entry, path)
    else:
        yield path, type(value)


def test_every_key_of_the_values_is_one_of_the_chart():
    assert set(_keys(_values())) == set(CHART.items())


def test_every_manifest_is_what_kubernetes_accepts():
    manifests = [path for path in KUBERNETES.glob("*.yaml") if path.name not in ("values.yaml", "dask-cluster.yaml")]
    assert manifests
    for path in manifests:
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_pods_variables_and_resources_are_what_kubernetes_accepts():
    location, launcher = _code_location(), _values()["runLauncher"]["config"]["k8sRunLauncher"]
    container = {
        "name": location["name"],
        "image": location["image"]["repository"].lower(),
        "env": location["env"],
        "envFrom": [{"secretRef": secret} for secret in location["envSecrets"]],
        "resources": launcher["resources"],
        "imagePullPolicy": launcher["imagePullPolicy"],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "run"}, "spec": {"containers": [container]}}
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


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
    assert named <= SETTINGS.keys() | OLD_NAMES.keys() | NOT_READ.keys() | OF_OTHERS
    assert OLD_NAMES.keys() | NOT_READ.keys() <= named
