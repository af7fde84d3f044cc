"""deploy/kubernetes/dask-cluster.yaml is what Dask's operator, Kubernetes, Dask and values.yaml ask of it."""

from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest
import yaml
from distributed.cli import dask_scheduler, dask_worker

from seedtest_assets_tests.conftest import ROOT
from seedtest_assets_tests.deploy.dask_operator import refusals

KUBERNETES = ROOT / "deploy" / "kubernetes"


@pytest.fixture
def cluster() -> dict[str, Any]:
    return yaml.safe_load((KUBERNETES / "dask-cluster.yaml").read_text(encoding="utf-8"))


def _container(cluster: dict[str, Any], part: str) -> dict[str, Any]:
    (container,) = cluster["spec"][part]["spec"]["containers"]
    return container


def test_it_is_what_the_operators_resource_definition_accepts(cluster):
    assert refusals(cluster) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda cluster: cluster.update(kind="DaskJob"), "kind: 'DaskCluster' was expected"),
        (lambda cluster: cluster["metadata"].pop("name"), "metadata: 'name' is a required property"),
        (
            lambda cluster: cluster["spec"]["worker"].update(replicas="4"),
            "spec.worker.replicas: '4' is not of type 'integer'",
        ),
        (
            lambda cluster: cluster["spec"]["scheduler"].pop("service"),
            "spec.scheduler: 'service' is a required property",
        ),
        (
            lambda cluster: _container(cluster, "worker").pop("name"),
            "spec.worker.spec.containers[0]: 'name' is a required property",
        ),
        (
            lambda cluster: cluster["spec"].update(idleTimeOut=0),
            "spec: Additional properties are not allowed ('idleTimeOut' was unexpected)",
        ),
        (
            lambda cluster: _container(cluster, "scheduler")["readinessProbe"].update(period=10),
            "spec.scheduler.spec.containers[0].readinessProbe: "
            "Additional properties are not allowed ('period' was unexpected)",
        ),
        (
            lambda cluster: _container(cluster, "worker")["resources"]["requests"].update(cpu=4),
            "spec.worker.spec.containers[0].resources.requests.cpu: 4 is not of type 'string'",
        ),
    ],
)
def test_what_the_resource_definition_does_not_accept_is_found(
    cluster: dict[str, Any], change: Callable[[dict[str, Any]], object], refusal: str
):
    change(cluster)
    assert refusals(cluster) == [refusal]


def test_kubernetes_accepts_the_pods_and_the_service_that_the_operator_makes_of_it(cluster):
    # The resource definition describes them as Kubernetes 1.21 did.
    parts = cluster["spec"]
    for kind, spec in (
        ("Pod", parts["worker"]["spec"]),
        ("Pod", parts["scheduler"]["spec"]),
        ("Service", parts["scheduler"]["service"]),
    ):
        document = {"apiVersion": "v1", "kind": kind, "metadata": cluster["metadata"], "spec": spec}
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_its_image_is_that_of_the_code_location(cluster):
    values = yaml.safe_load((KUBERNETES / "values.yaml").read_text(encoding="utf-8"))
    (location,) = values["dagster-user-deployments"]["deployments"]
    image = f"{location['image']['repository']}:{location['image']['tag']}"
    assert [_container(cluster, part)["image"] for part in ("scheduler", "worker")] == [image] * 2


def test_its_service_leads_to_the_schedulers_ports(cluster):
    service = cluster["spec"]["scheduler"]["service"]
    assert service["selector"]["dask.org/cluster-name"] == cluster["metadata"]["name"]
    ports = {port["name"]: port["containerPort"] for port in _container(cluster, "scheduler")["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == ports


def test_its_commands_are_those_of_dask(cluster):
    for part, command in (("scheduler", dask_scheduler.main), ("worker", dask_worker.main)):
        program, name, *arguments = _container(cluster, part)["args"]
        assert (program, name) == ("dask", part)
        command.make_context(name, [*arguments, *(["tcp://scheduler:8786"] if part == "worker" else [])])
