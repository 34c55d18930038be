"""Makes kubeconform's schemas of custom resource definitions: crd_schemas.py OUT CRD.."""
import json
import pathlib
import sys

import yaml


def strict(schema):
    """As an API server that validates strictly: unknown fields are errors."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema = {"additionalProperties": False, **schema}
    return {key: strict(part) for key, part in schema.items()}


out = pathlib.Path(sys.argv[1])
for name in sys.argv[2:]:
    spec = yaml.safe_load(pathlib.Path(name).read_text())["spec"]
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        schema["properties"]["metadata"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        kind, group = spec["names"]["kind"].lower(), spec["group"].split(".")[0]
        (out / f"{kind}-{group}-{version['name']}.json").write_text(json.dumps(strict(schema)))
