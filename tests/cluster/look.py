"""Reads what a cluster says.

pods                        names of pods that are not about to go, from `kubectl get pods --output json`
beside                      fails unless every pod has forgetd as a native sidecar that started before the application,
                            every container is ready and none was restarted
order APPLICATION SIDECAR   fails unless the application's log ends before the sidecar's, and that one soon after: both with
                            timestamps
memory NAMESPACE            what each container of forgetd takes, from a node's summary of statistics; fails over the limit
"""
import datetime
import json
import sys

# What the documents promise for the end, in seconds, and the chart's limit, in bytes.
END_WITHIN = 5
LIMIT = 128 * 1024 * 1024


def need(holds, *what):
    if not holds:
        sys.exit(" ".join(str(part) for part in what))


def moment(line):
    # Nanoseconds are more than Python reads.
    return datetime.datetime.fromisoformat(line.split()[0][:26].rstrip("Z") + "+00:00")


def last(path, word):
    lines = [line for line in open(path) if word in line]
    need(lines, path, "says nothing of", word)
    return moment(lines[-1])


def order(application, sidecar):
    told, ends, ended = last(application, "told to end"), last(application, "ends"), last(sidecar, '"message":"ended"')
    alone = (ended - ends).total_seconds()
    need(told < ends <= ended, "the sidecar ended at", ended, "the application at", ends)
    need(alone < END_WITHIN, "the sidecar ended", alone, "s after the application")
    print(f"the application took {(ends - told).total_seconds():.1f} s, forgetd ended {alone:.2f} s after it")


def pods():
    for pod in json.load(sys.stdin)["items"]:
        if "deletionTimestamp" not in pod["metadata"]:
            print(pod["metadata"]["name"])


def beside():
    found = [pod for pod in json.load(sys.stdin)["items"] if "deletionTimestamp" not in pod["metadata"]]
    need(found, "no pod")
    for pod in found:
        name, status = pod["metadata"]["name"], pod["status"]
        (sidecar,) = [one for one in pod["spec"]["initContainers"] if one["name"] == "forgetd"]
        need(sidecar.get("restartPolicy") == "Always", name, "has it as an init container")
        every = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
        need(every and all(one["ready"] for one in every), name, "is not ready")
        need(all(one["restartCount"] == 0 for one in every), name, "was restarted")
        (first,) = [one["state"]["running"]["startedAt"] for one in every if one["name"] == "forgetd"]
        need(all(first <= one["state"]["running"]["startedAt"] for one in status["containerStatuses"]), name, "started it later")
    print(f"{len(found)} pods, every container ready, no restart")


def memory(namespace):
    found = []
    for pod in json.load(sys.stdin)["pods"]:
        if pod["podRef"]["namespace"] != namespace:
            continue
        for container in pod.get("containers", []):
            if container["name"] == "forgetd" and "rssBytes" in container.get("memory", {}):
                found.append((container["memory"]["rssBytes"], container["memory"]["workingSetBytes"]))
    need(found, "no statistics")
    need(all(working < LIMIT for _, working in found), found)
    text = ", ".join(f"{rss / 1048576:.1f}/{working / 1048576:.1f}" for rss, working in sorted(found))
    print(f"MiB of RSS/working set: {text}; requested 32, limit 128")


{"pods": pods, "beside": beside, "order": order, "memory": memory}[sys.argv[1]](*sys.argv[2:])
