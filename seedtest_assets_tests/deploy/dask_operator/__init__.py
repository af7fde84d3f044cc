"""The resource definition (CRD) of DaskCluster that Dask's operator installs, and how Kubernetes holds a manifest to it.

daskcluster.yaml is the operator's file, from the Helm chart in its wheel; the first line has the version. It is under the
BSD-3-Clause license in LICENSE. Only the layout differs: repeated parts are YAML anchors, which leave 19 of 284 kB.
To renew both: `pip download --no-deps dask-kubernetes`, then `python -m seedtest_assets_tests.deploy.dask_operator WHEEL`.
"""

from pathlib import Path
from typing import Any

import jsonschema
import yaml

FOLDER = Path(__file__).parent
OPEN = ("additionalProperties", "x-kubernetes-preserve-unknown-fields")


def refusals(manifest: dict[str, Any]) -> list[str]:
    """Give what `kubectl apply` would refuse of a DaskCluster, sorted, as `PATH: what is wrong`.

    Unknown properties are refused, too, as by strict field validation, which is kubectl's default. What is inside `metadata`
    is not looked at: resource definitions do not describe it.
    """
    definition = yaml.safe_load((FOLDER / "daskcluster.yaml").read_text(encoding="utf-8"))["spec"]
    (version,) = definition["versions"]
    schema = _closed(version["schema"]["openAPIV3Schema"])
    head = {
        "apiVersion": {"const": f"{definition['group']}/{version['name']}"},
        "kind": {"const": definition["names"]["kind"]},
        "metadata": {"type": "object", "required": ["name"]},
    }
    schema = {**schema, "properties": head | schema["properties"], "required": [*head, *schema["required"]]}
    errors = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    return sorted(f"{error.json_path.removeprefix('$.')}: {error.message}" for error in errors)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Give the schema without room for unknown properties, except where it leaves room expressly."""
    if schema.get("type") == "array":
        return {**schema, "items": _closed(schema["items"])}
    if schema.get("type") != "object" or any(key in schema for key in OPEN):
        return schema
    properties = {name: _closed(below) for name, below in schema.get("properties", {}).items()}
    return {**schema, "properties": properties, "additionalProperties": False}
