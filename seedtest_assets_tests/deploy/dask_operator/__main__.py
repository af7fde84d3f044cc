"""Renew daskcluster.yaml and LICENSE from a wheel of dask-kubernetes."""

import json
import sys
import zipfile
from typing import Any

import yaml

from seedtest_assets_tests.deploy.dask_operator import FOLDER

CHART = "dask_kubernetes/operator/deployment/helm/dask-kubernetes-operator"


def renew(wheel: str) -> None:
    """Write the resource definition of the wheel in the short layout, and its license."""
    with zipfile.ZipFile(wheel) as archive:
        (license_,) = (name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE"))
        distribution = license_.split(".dist-info")[0]
        definition = yaml.safe_load(archive.read(f"{CHART}/crds/daskcluster.yaml"))
        (FOLDER / "LICENSE").write_bytes(archive.read(license_))
    text = yaml.safe_dump(_shared(definition, {}), default_flow_style=True, sort_keys=False, width=120)
    (FOLDER / "daskcluster.yaml").write_text(
        f"# {distribution}: {CHART}/crds/daskcluster.yaml\n{text}", encoding="utf-8"
    )


def _shared(value: Any, seen: dict[str, Any]) -> Any:
    """Give the value with equal parts as the same object, which YAML writes once and then refers to."""
    if isinstance(value, dict):
        value = {key: _shared(below, seen) for key, below in value.items()}
    elif isinstance(value, list):
        value = [_shared(entry, seen) for entry in value]
    return seen.setdefault(json.dumps(value), value)


if __name__ == "__main__":
    renew(sys.argv[1])
