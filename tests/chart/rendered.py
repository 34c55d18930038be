"""What must be true of manifests, whatever the values: rendered.py COMMAND [ARGUMENT..] <MANIFESTS

  safe            every container of forgetd is restricted, and nothing that must not be is there
  volumes         no two pods want what one can have
  strategy TYPE   so one version of the Deployment's pods follows another
  beside KIND     forgetd is in an application's pod as a `native` sidecar or a `classic` container, or `none`
  config FILE     writes the policy of the ConfigMap that a pod mounts
  rules FILE      writes the rules of the PrometheusRule as Prometheus reads them
"""
import re
import sys

import yaml

LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{,61}[A-Za-z0-9])?)?")


def need(holds, *what):
    if not holds:
        sys.exit(" ".join(str(part) for part in what))


def pods(objects):
    """Every pod's specification and labels, with the object that makes it."""
    for thing in objects:
        kind, spec = thing["kind"], thing.get("spec", {})
        if kind == "Pod":
            yield thing, spec, thing["metadata"].get("labels", {})
        elif kind in ("Deployment", "StatefulSet", "Job"):
            yield thing, spec["template"]["spec"], spec["template"]["metadata"]["labels"]
        elif kind == "CronJob":
            template = spec["jobTemplate"]["spec"]["template"]
            yield thing, template["spec"], template["metadata"]["labels"]


def ours(pod):
    """The containers of forgetd, with the list that they are in."""
    for where in ("initContainers", "containers"):
        for container in pod.get(where) or []:
            if container["name"] == "forgetd":
                yield where, container


def selectors(objects):
    """Labels are such, and every selector finds the pods that it is for, and no pods of hooks."""
    found = list(pods(objects))
    for thing, _, labels in [(thing, None, thing["metadata"].get("labels", {})) for thing in objects] + found:
        for name, value in labels.items():
            need(LABEL.fullmatch(value), thing["kind"], "has a label that is none:", name, value)
    hooks = [labels for thing, _, labels in found if "helm.sh/hook" in thing["metadata"].get("annotations", {})]
    for thing in objects:
        if thing["kind"] == "Deployment":
            wanted, have = thing["spec"]["selector"]["matchLabels"], thing["spec"]["template"]["metadata"]["labels"]
            need(wanted.items() <= have.items(), "the Deployment does not select its own pods", wanted)
        if thing["kind"] in ("Deployment", "Service", "PodDisruptionBudget"):
            wanted = thing["spec"]["selector"].get("matchLabels", thing["spec"]["selector"])
            need(not any(wanted.items() <= labels.items() for labels in hooks), thing["kind"], "selects a hook's pod", wanted)
    policies = [thing["spec"]["podSelector"]["matchLabels"] for thing in objects if thing["kind"] == "NetworkPolicy"]
    for thing, _, labels in found:
        need(not policies or any(wanted.items() <= labels.items() for wanted in policies), thing["kind"], "has no NetworkPolicy")


def volumes(objects):
    """What one node mounts, one pod mounts."""
    claims = [thing for thing in objects if thing["kind"] == "PersistentVolumeClaim"]
    shared = any("ReadWriteMany" in claim["spec"]["accessModes"] for claim in claims)
    users = [thing for thing, pod, _ in pods(objects) if any("persistentVolumeClaim" in volume for volume in pod["volumes"])]
    need(shared or len(users) <= 1, "one volume for", len(users))
    for thing in users:
        if thing["kind"] == "Deployment" and not shared:
            need(thing["spec"]["strategy"]["type"] == "Recreate", "a second pod waits for the volume of the first")


def interruptions(objects):
    """A node that is drained is looked at first: what ends there ends with a status that fails a Job."""
    for thing in objects:
        if thing["kind"] == "CronJob":
            rules = thing["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
            need([rule["action"] for rule in rules] == ["Ignore", "FailJob"] and "onPodConditions" in rules[0], rules)


def strategy(objects, kind):
    found = [thing["spec"]["strategy"]["type"] for thing in objects if thing["kind"] == "Deployment"]
    need(found == [kind], found)


def safe(objects):
    selectors(objects)
    interruptions(objects)
    for thing in objects:
        need(thing["kind"] not in ("Secret", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"), "found", thing["kind"])
        if thing["kind"] == "ServiceAccount":
            need(thing["automountServiceAccountToken"] is False, "an account has a token")
    labels = [labels for _, _, labels in pods(objects)]
    for thing in objects:
        selector = thing.get("spec", {}).get("selector", {})
        if thing["kind"] in ("Service", "ServiceMonitor"):
            # The monitor selects the Service, which has the same labels.
            selector = {"matchLabels": selector.get("matchLabels", selector)}
        if thing["kind"] == "NetworkPolicy":
            selector = thing["spec"]["podSelector"]
        wanted = selector.get("matchLabels")
        if wanted and thing["kind"] != "PodMonitor":
            need(any(wanted.items() <= have.items() for have in labels), thing["kind"], "selects no pod:", wanted)
    for thing, pod, _ in pods(objects):
        name = f"{thing['kind']} {thing['metadata']['name']}:"
        need(pod.get("automountServiceAccountToken") is False, name, "mounts a token")
        need(not pod.get("hostNetwork") and not pod.get("hostPID"), name, "shares the host's")
        for _, container in ours(pod):
            security = container["securityContext"]
            need(security["runAsUser"] == 65532 and security["runAsNonRoot"] is True, name, "another user")
            need(security["readOnlyRootFilesystem"] is True, name, "writable root")
            need(security["allowPrivilegeEscalation"] is False, name, "privileges can grow")
            need(security["capabilities"] == {"drop": ["ALL"]}, name, "capabilities")
            need(security["seccompProfile"] == {"type": "RuntimeDefault"}, name, "no seccomp")
            need(container["resources"]["requests"]["memory"] == "32Mi", name, "no request")
            need(all(len(port["name"]) <= 15 for port in container.get("ports", [])), name, "a port's name is too long")
            mounted = {volume["name"]: volume for volume in pod["volumes"]}
            for mount in container["volumeMounts"]:
                volume = mounted[mount["name"]]
                need("emptyDir" not in volume or not mount["mountPath"].startswith("/var/lib/forgetd"), name, "emptyDir")


def beside(objects, kind):
    found = 0
    for thing, pod, labels in pods(objects):
        if thing["kind"] != "Deployment":
            continue
        containers = list(ours(pod))
        if kind == "none":
            need(not containers and "forgetd" not in str(pod), "forgetd is there")
            found += 1
            continue
        need(len(containers) == 1, "forgetd is there", len(containers), "times")
        where, container = containers[0]
        need((where, container.get("restartPolicy")) == {"native": ("initContainers", "Always"), "classic": ("containers", None)}[kind], where)
        need("readinessProbe" not in container and "startupProbe" not in container, "a probe that takes the pod down")
        need("livenessProbe" in container and "--mode=sidecar" in container["args"], container)
        need(labels.get("forgetd/release"), "no label for the monitor")
        monitors = [thing["spec"]["selector"]["matchLabels"] for thing in objects if thing["kind"] == "PodMonitor"]
        need(all(wanted.items() <= labels.items() for wanted in monitors), "the monitor finds no pod", monitors)
        need(all(c["name"] == "forgetd" or "readinessProbe" in c for c in pod["containers"]), "the application's own probe went")
        found += 1
    need(found == 1, found, "applications")


def config(objects, file):
    names = {source["configMap"]["name"] for _, pod, _ in pods(objects) for volume in pod.get("volumes", [])
             for source in volume.get("projected", {}).get("sources", [volume]) if "configMap" in source}
    maps = [thing for thing in objects if thing["kind"] == "ConfigMap" and "forgetd.yaml" in thing["data"]]
    need(maps, "no policy")
    need(any(thing["metadata"]["name"] in names for thing in maps) or not names, "no pod mounts", maps[0]["metadata"]["name"])
    need(len({thing["data"]["forgetd.yaml"] for thing in maps}) == 1, "two policies")
    open(file, "w").write(maps[0]["data"]["forgetd.yaml"])


def rules(objects, file):
    found = [thing for thing in objects if thing["kind"] == "PrometheusRule"]
    need(len(found) == 1, len(found), "PrometheusRules")
    text = yaml.safe_dump(found[0]["spec"])
    need(".*forgetd.*" not in text and "forgetd.example" not in text, "not narrowed to the release")
    open(file, "w").write(text)


objects = [thing for thing in yaml.safe_load_all(sys.stdin) if thing]
need(objects, "nothing was rendered")
{"safe": safe, "volumes": volumes, "strategy": strategy, "beside": beside, "config": config, "rules": rules}[sys.argv[1]](objects, *sys.argv[2:])
