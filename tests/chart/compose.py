"""A compose file and the policy that it mounts belong together: compose.py COMPOSE"""
import pathlib
import re
import sys

import yaml

path = pathlib.Path(sys.argv[1])
file = yaml.safe_load(path.read_text())
services, volumes = file["services"], file["volumes"]
for name, service in services.items():
    assert re.search(r":[\w.-]*\d[\w.-]*$", service["image"]), f"{name}: no version"
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("."):
            assert (path.parent / source).exists(), f"{name}: {source} is not there"
        else:
            assert source in volumes, f"{name}: no volume {source}"
    for other in service.get("depends_on", []):
        assert other in services, f"{name}: no service {other}"
ours = services["forgetd"]
assert ours["read_only"] and ours["user"] == "65532:65532" and ours["cap_drop"] == ["ALL"], ours
policy = yaml.safe_load((path.parent / "forgetd.yaml").read_text())
for name, database in policy["databases"].items():
    url = ours["environment"][database["url"]["env"]]
    host = re.match(r"\w+://(?:[^@/]*@)?([^/]*)/", url).group(1)
    assert host in services or url.startswith("sqlite:"), f"{name}: nobody is called {host}"
assert len(policy["databases"]) == 5, "one of each engine"
