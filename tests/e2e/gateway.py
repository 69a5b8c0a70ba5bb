#!/usr/bin/env python3
"""The gateway application on real Docker, end to end: kubectl 1.37 on one side, docker on the other, and a client on
another machine (a network namespace of its own).

  gateway.py                    all steps
  gateway.py --until WORD       the steps up to the first whose name holds WORD
  gateway.py --only WORD...     the vital steps and those whose name holds one of the words
  gateway.py --list             the names of the steps
  gateway.py --keep             leave k2d and the test host as they are at the end (host.sh k2d-e2e down removes both)
"""
import argparse
import json
import os
import re
import signal
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from testbed import HOST, ROOT, Failed, K2d, Steps, check, keep_log, on_host, run, tools, until

MANIFESTS = os.path.join(ROOT, "examples", "gateway")
USER = ("-u", "operator", "-P", "night-shift-3")
BROKER = "app.kubernetes.io/name=mqtt"
RETAINED = "plant/test/retained"
# Podman has no daemon whose end its containers would notice, and the registries of the test host are filled by Docker.
DOCKER_ALONE = ("everything comes back after a Docker restart", "images come from a registry, with a pull secret where it asks for one")
steps = Steps()


# === what the steps ask ===

def pods(label=None):
    items = k2d.get("-n", "plant", "pods", *(["-l", label] if label else []))["items"]
    return [pod for pod in items if not pod["metadata"].get("deletionTimestamp")]


def ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def brokers_ready():
    """The broker's pods, when exactly one is there and it is ready."""
    found = pods(BROKER)
    return found[0] if len(found) == 1 and ready(found[0]) else None


def container_of(pod, container):
    return host.inspect(f"plant.{pod['metadata']['name']}.{container}")


def listen(topic, count=1, seconds=15):
    """Messages that a subscriber on the other machine receives over the NodePort."""
    status, output = host.outside("mosquitto_sub", "-h", HOST, "-p", "31883", *USER, "-t", topic, "-C", str(count), "-W", str(seconds),
                                  "-q", "1", ok=False, timeout=seconds + 10)
    check(status == 0, f"subscriber outside got no message on {topic} within {seconds} s: {output.strip()}")
    return output.strip().splitlines()


def retained_there():
    """The retained message, read over the NodePort from outside."""
    got = until(20, lambda: listen(RETAINED, seconds=2), "the retained message")
    check(got == [retained["text"]], "retained message is", got, "instead of", retained["text"])


def measurement():
    reading = json.loads(until(30, lambda: listen("plant/line1/measurements", seconds=5), "a measurement")[0])
    check({"time", "temperature", "pressure", "pump"} <= set(reading), reading)
    return reading


def all_ready():
    found = pods()
    return found if len(found) == 5 and all(ready(pod) for pod in found) else None


def firewall():
    """The firewall's own tables, without counters and without those that Docker writes through iptables."""
    rules = json.loads(run("nft", "-j", "-s", "list", "ruleset")[1])["nftables"]
    kept = []
    for entry in rules:
        for kind, thing in entry.items():
            if kind == "metainfo" or (thing.get("table", thing.get("name")) in ("nat", "filter") and thing.get("family") in ("ip", "ip6")):
                continue
            kept.append(json.dumps({kind: {key: value for key, value in thing.items() if key != "handle"}}, sort_keys=True))
    return sorted(kept)


def volume_folders():
    """Everything under the folder of projected volumes."""
    top = os.path.join(k2d.data, "volumes")
    return sorted(os.listdir(top)) if os.path.isdir(top) else []


def diagnose(name):
    log = keep_log(k2d.log, "e2e-k2d.log")
    seen = []
    for words in (("get", "pods,deployments,replicasets,services,pvc", "-A", "-o", "wide"), ("get", "events", "-A", "--sort-by=.lastTimestamp")):
        try:
            seen.append(k2d.kubectl(*words, ok=False, timeout=20)[1])
        except Failed as error:
            seen.append(str(error))
    seen.append(host.docker("ps", "-a", ok=False))
    folder = os.path.join(ROOT, "target", "test-logs")
    path = os.path.join(folder, "e2e-" + re.sub(r"[^a-z0-9]+", "-", name.lower()) + ".txt")
    with open(path, "w") as file:
        file.write("\n\n".join(seen))
    print(f"     what was there: {path}; log: {log}; its last lines:\n" + "".join("     | " + line + "\n" for line in k2d.tail(8).splitlines()), end="")


# === the steps ===

before = {}
retained = {"text": ""}


@steps("k2d answers and presents Kubernetes 1.37", vital=True)
def _():
    k2d.start()
    version = json.loads(k2d.kubectl("version", "-o", "json"))
    check(version["serverVersion"]["gitVersion"].startswith("v1.37."), version["serverVersion"])
    until(10, lambda: k2d.get("node")["items"], "a node")
    until(10, lambda: k2d.get("serviceaccount", "default"), "the default service account")
    before["firewall"], before["folders"] = firewall(), volume_folders()
    before["containers"] = host.containers(every=True)


@steps("kubectl apply takes the manifests as they are", vital=True)
def _():
    output = k2d.kubectl("apply", "-f", MANIFESTS)
    check(output.count(" created") == 12, output)
    check("Warning" not in output, output)


@steps("the rollouts complete", vital=True)
def _():
    for name in ("mqtt", "collector", "dashboard"):
        output = k2d.kubectl("-n", "plant", "rollout", "status", f"deployment/{name}", "--timeout=90s", timeout=100)
        check("successfully rolled out" in output, output)


@steps("both sides show the same pods")
def _():
    found = until(20, all_ready, "five ready pods")
    names = host.containers()
    for pod in found:
        check(pod["status"]["phase"] == "Running", pod["metadata"]["name"], pod["status"]["phase"])
        for container in pod["spec"]["containers"]:
            name = f"plant.{pod['metadata']['name']}.{container['name']}"
            check(name in names, f"docker ps shows no {name}:", list(names))
            labels = host.inspect(name)["Config"]["Labels"]
            check(labels.get("io.kubernetes.pod.uid") == pod["metadata"]["uid"], labels)
    secrets = json.dumps([host.inspect(name)["Config"]["Labels"] for name in names])
    check("conveyor-belt-7" not in secrets and "$7$101$" not in secrets, "a secret stands in a container's labels")
    table = k2d.kubectl("-n", "plant", "get", "pods")
    check(table.count("Running") == 5 and "2/2" in table, table)


@steps("a second apply changes nothing")
def _():
    def versions():
        found = json.loads(k2d.kubectl("get", "-f", MANIFESTS, "-o", "json"))["items"]
        return {f'{item["kind"]}/{item["metadata"]["name"]}': item["metadata"]["resourceVersion"] for item in found}

    uids, before = {pod["metadata"]["uid"] for pod in pods()}, versions()
    output = k2d.kubectl("apply", "-f", MANIFESTS)
    # kubectl sends stringData anew each time, since no server gives it back, and calls the Secret configured.
    words = [line for line in output.splitlines() if not line.endswith(" unchanged") and not line.startswith("secret/")]
    check(len(before) == 12 and words == [], output)
    check(versions() == before, f"{before} became {versions()}")
    check({pod["metadata"]["uid"] for pod in pods()} == uids, "pods were replaced")


@steps("messages flow from the collector to a subscriber outside")
def _():
    first = measurement()
    second = until(15, lambda: (lambda reading: reading if reading["time"] > first["time"] else None)(measurement()), "a later measurement")
    check(listen("plant/line1/status") == ["online"], "the collector's retained status")
    return f"{second['time'] - first['time']:.1f} s between two messages"


@steps("names resolve to the Service's address inside a pod")
def _():
    address = k2d.get("-n", "plant", "service", "mqtt")["spec"]["clusterIP"]
    for name in ("mqtt.plant.svc.cluster.local", "mqtt.plant", "mqtt"):
        output = k2d.kubectl("-n", "plant", "exec", "deployment/collector", "-c", "reader", "--",
                             "python3", "-c", f"import socket; print(socket.gethostbyname('{name}'))")
        check(output.strip() == address, f"{name} is {output.strip()!r}, the Service has {address}")


@steps("the Service reaches all three dashboards")
def _():
    names = {pod["metadata"]["name"] for pod in pods("app.kubernetes.io/name=dashboard")}
    address = k2d.get("-n", "plant", "service", "dashboard")["spec"]["clusterIP"]

    def from_host():
        pages = [urllib.request.urlopen(f"http://{address}/", timeout=5).read().decode() for _ in range(20)]
        return {name for name in names for page in pages if f"<b>{name}</b>" in page}

    seen = until(20, lambda: from_host() == names, "every dashboard answers the host through the Service")
    page = k2d.kubectl("-n", "plant", "exec", "deployment/collector", "-c", "reader", "--", "python3", "-c",
                       "import urllib.request; print(urllib.request.urlopen('http://dashboard/', timeout=5).read().decode())")
    node = k2d.get("node")["items"][0]["metadata"]["name"]
    check(any(name in page for name in names) and node in page, page)
    return f"{len(names)} pods" if seen else None


@steps("logs and exec reach the right container")
def _():
    check("simulated device" in k2d.kubectl("-n", "plant", "logs", "deployment/collector", "-c", "device"), "no log of the device")
    check('"temperature"' in k2d.kubectl("-n", "plant", "logs", "deployment/collector", "-c", "reader", "--tail=2"), "no log of the reader")
    status, output = k2d.kubectl("-n", "plant", "exec", "deployment/mqtt", "--", "sh", "-c", "cat /proc/1/comm; exit 7", ok=False)
    check(output.startswith("mosquitto") and "exit code 7" in output and status == 7, status, output)


@steps("an older kubectl (1.30, over SPDY) works as well")
def _():
    old = (os.path.join(tools("30"), "kubectl"), "--kubeconfig", k2d.kubeconfig, "-n", "plant")
    output = run(*old, "get", "pods,deployments,services")[1]
    check(output.count("Running") == 5 and "31883" in output, output)
    check(run(*old, "exec", "deployment/mqtt", "--", "cat", "/proc/1/comm")[1].strip() == "mosquitto", "exec")
    check("unchanged" in run(*old, "apply", "-f", os.path.join(MANIFESTS, "mqtt.yaml"))[1], "apply")
    check("successfully rolled out" in run(*old, "rollout", "status", "deployment/mqtt", "--timeout=20s")[1], "rollout status")


@steps("a retained message is kept by the broker")
def _():
    retained["text"] = f"kept-{os.getpid()}"
    host.outside("mosquitto_pub", "-h", HOST, "-p", "31883", *USER, "-t", RETAINED, "-r", "-q", "1", "-m", retained["text"])
    retained_there()


@steps("the retained message survives kubectl delete pod")
def _():
    old = until(10, brokers_ready, "one ready broker")
    k2d.kubectl("-n", "plant", "delete", "pod", old["metadata"]["name"], timeout=60)
    new = until(60, lambda: brokers_ready(), "a new ready broker")
    check(new["metadata"]["uid"] != old["metadata"]["uid"], "the pod is still the old one")
    check(not [name for name in host.containers(every=True) if old["metadata"]["name"] in name], "the old container is still there")
    retained_there()
    measurement()


@steps("workloads and messages go on while k2d is dead, and it comes back to the same")
def _():
    until(30, all_ready, "five ready pods")
    started = {name: host.inspect(name)["State"]["StartedAt"] for name in host.containers()}
    versions = sorted((pod["metadata"]["uid"], pod["metadata"]["name"]) for pod in pods())
    k2d.stop(signal.SIGKILL)
    check(listen(RETAINED, seconds=5) == [retained["text"]], "the NodePort while k2d is dead")
    k2d.start()
    until(30, all_ready, "five ready pods after the start")
    check(sorted((pod["metadata"]["uid"], pod["metadata"]["name"]) for pod in pods()) == versions, "pods were replaced")
    time.sleep(2)
    check({name: host.inspect(name)["State"]["StartedAt"] for name in host.containers(every=True)} == started, "containers were started anew or doubled")
    check(all(status["restartCount"] == 0 for pod in pods() for status in pod["status"]["containerStatuses"]), "restarts were counted")
    retained_there()
    measurement()


@steps("an acknowledged write survives kill -9")
def _():
    k2d.kubectl("-n", "plant", "create", "configmap", "last-word", "--from-literal=said=yes")
    k2d.stop(signal.SIGKILL)
    k2d.start()
    check(k2d.get("-n", "plant", "configmap", "last-word")["data"] == {"said": "yes"}, "lost")
    k2d.kubectl("-n", "plant", "delete", "configmap", "last-word")


@steps("everything comes back after a Docker restart")
def _():
    names = {pod["metadata"]["uid"] for pod in pods()}
    host.do("docker-restart", timeout=90)
    until(90, all_ready, "five ready pods after the engine's restart")
    check({pod["metadata"]["uid"] for pod in pods()} == names, "pods were replaced")
    retained_there()
    measurement()


@steps("the engine may be away: k2d answers, says so, and goes on when it is back")
def _():
    host.do(f"{host.engine}-stop", timeout=60)
    try:
        check(len(k2d.get("-n", "plant", "deployments")["items"]) == 3, "the API without an engine")
        until(15, lambda: any(c["type"] == "Ready" and c["status"] != "True" for c in k2d.get("node")["items"][0]["status"]["conditions"]), "the node is not ready")
    finally:
        host.do(f"{host.engine}-start", timeout=60)
    until(30, lambda: any(c["type"] == "Ready" and c["status"] == "True" for c in k2d.get("node")["items"][0]["status"]["conditions"]), "the node is ready again")
    until(90, all_ready, "five ready pods")
    measurement()


@steps("a changed ConfigMap appears in the running container")
def _():
    pod = pods("app.kubernetes.io/name=dashboard")[0]
    started = container_of(pod, "web")["State"]["StartedAt"]
    page = k2d.get("-n", "plant", "configmap", "dashboard")["data"]["index.cgi"].replace("Line 1", "Line one")
    k2d.kubectl("-n", "plant", "patch", "configmap", "dashboard", "-p", json.dumps({"data": {"index.cgi": page}}))
    inside = ("-n", "plant", "exec", pod["metadata"]["name"], "--", "cat", "/www/cgi-bin/index.cgi")
    until(10, lambda: "Line one" in k2d.kubectl(*inside), "the new page inside the container")
    until(5, lambda: "Line one" in urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/", timeout=5).read().decode(), "the new page")
    check(container_of(pod, "web")["State"]["StartedAt"] == started, "the container was restarted")


@steps("a tag that does not exist leaves the old broker serving")
def _():
    old = until(20, brokers_ready, "one ready broker")
    before["broker"] = container_of(old, "mosquitto")["Id"]
    k2d.kubectl("-n", "plant", "set", "image", "deployment/mqtt", "mosquitto=eclipse-mosquitto:no-such-tag")

    def waits():
        new = [pod for pod in pods(BROKER) if pod["metadata"]["uid"] != old["metadata"]["uid"]]
        return [status["state"]["waiting"]["reason"] for pod in new for status in pod["status"]["containerStatuses"]]

    reason = until(40, lambda: [why for why in waits() if why in ("ErrImagePull", "ImagePullBackOff")], "the new pod says that it cannot pull")
    status, output = k2d.kubectl("-n", "plant", "rollout", "status", "deployment/mqtt", "--timeout=4s", ok=False)
    check(status != 0 and "1 old replicas are pending termination" in output, status, output)
    deployment = k2d.get("-n", "plant", "deployment", "mqtt")["status"]
    check((deployment.get("availableReplicas"), deployment.get("unavailableReplicas"), deployment.get("updatedReplicas")) == (1, 1, 1), deployment)
    check(host.inspect(before["broker"])["State"]["Running"], "the old broker was stopped")
    retained_there()
    measurement()
    return reason[0]


@steps("kubectl rollout undo mends it")
def _():
    k2d.kubectl("-n", "plant", "rollout", "undo", "deployment/mqtt")
    output = k2d.kubectl("-n", "plant", "rollout", "status", "deployment/mqtt", "--timeout=40s")
    check("successfully rolled out" in output, output)
    pod = until(20, brokers_ready, "one broker")
    check(container_of(pod, "mosquitto")["Id"] == before["broker"], "the broker was replaced though nothing had changed")
    retained_there()


@steps("docker stop shows through the API within a second and is respected")
def _():
    pod = until(20, brokers_ready, "one ready broker")
    name = f"plant.{pod['metadata']['name']}.mosquitto"
    path = f"/api/v1/namespaces/plant/pods/{pod['metadata']['name']}"

    def state():
        return k2d.api("GET", path)[1]["status"]

    host.docker("stop", "-t", "10", name)
    begin = time.monotonic()
    until(1, lambda: "running" not in state()["containerStatuses"][0]["state"] and not ready({"status": state()}), "the pod shows the stop")
    took = time.monotonic() - begin
    until(3, lambda: not [address for slice in k2d.get("-n", "plant", "endpointslices", "-l", "kubernetes.io/service-name=mqtt")["items"]
                          for address in slice.get("endpoints") or [] if (address.get("conditions") or {}).get("ready", True)], "no ready endpoint")
    time.sleep(12)
    check(not host.inspect(name)["State"]["Running"], "the container was started behind the user's back")
    check([one["metadata"]["uid"] for one in pods(BROKER)] == [pod["metadata"]["uid"]], "the pod was replaced")
    k2d.stop(signal.SIGTERM)
    k2d.start()
    time.sleep(3)
    check(not host.inspect(name)["State"]["Running"], "the container was started by a new k2d")
    host.docker("start", name)
    until(20, brokers_ready, "the broker is ready again after docker start")
    retained_there()
    return f"seen after {took * 1000:.0f} ms"


@steps("docker rm means what kubectl delete pod means")
def _():
    pod = pods("app.kubernetes.io/name=dashboard")[0]
    host.docker("rm", "-f", f"plant.{pod['metadata']['name']}.web")
    until(5, lambda: pod["metadata"]["uid"] not in [one["metadata"]["uid"] for one in pods()], "the pod is gone")
    until(30, all_ready, "a new dashboard")


@steps("a container of the docker command is a pod in namespace docker")
def _():
    host.docker("run", "-d", "--name", "by-hand", "busybox:1.37", "sh", "-c", "echo made by hand; trap 'exit 0' TERM; sleep 600 & wait")
    try:
        pod = until(2, lambda: k2d.get("-n", "docker", "pod", "by-hand"), "the pod")
        check(pod["status"]["phase"] == "Running", pod["status"])
        check("made by hand" in k2d.kubectl("-n", "docker", "logs", "by-hand"), "no log")
        check(k2d.kubectl("-n", "docker", "exec", "by-hand", "--", "echo", "hello").strip() == "hello", "no exec")
    finally:
        host.docker("rm", "-f", "by-hand")
    until(2, lambda: k2d.kubectl("-n", "docker", "get", "pod", "by-hand", ok=False)[0] != 0, "the pod is gone with the container")


@steps("images come from a registry, with a pull secret where it asks for one")
def _():
    host.do("registry")
    k2d.kubectl("create", "secret", "docker-registry", "pull", "--docker-server=127.0.0.1:5001", "--docker-username=puller", "--docker-password=open-sesame")

    def pod(name, image, policy, *secrets):
        spec = {"restartPolicy": "Never", "imagePullSecrets": [{"name": one} for one in secrets],
                "containers": [{"name": "c", "image": image, "imagePullPolicy": policy, "command": ["true"]}]}
        k2d.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}))

    def status(name):
        return k2d.get("pod", name)["status"]

    def reason(name):
        return status(name)["containerStatuses"][0]["state"].get("waiting", {}).get("reason")

    try:
        # The one without the secret first: once an image is there, nobody needs to ask for it.
        pod("closed", "127.0.0.1:5001/plant/busybox:1", "Always")
        until(15, lambda: reason("closed") in ("ErrImagePull", "ImagePullBackOff"), "no pull without the secret")
        pod("open", "127.0.0.1:5000/plant/busybox:1", "IfNotPresent")
        pod("secret", "127.0.0.1:5001/plant/busybox:1", "Always", "pull")
        pod("never", "127.0.0.1:5000/plant/other:1", "Never")
        for name in ("open", "secret"):
            until(20, lambda: status(name)["phase"] == "Succeeded", f"pod {name} pulled its image and succeeded")
        until(10, lambda: reason("never") == "ErrImageNeverPull", "ErrImageNeverPull")
        events = k2d.kubectl("get", "events", "--field-selector", "involvedObject.name=open")
        check("Successfully pulled image" in events, events)
        check("open-sesame" not in k2d.kubectl("get", "events") and "open-sesame" not in k2d.tail(1000), "the password is told")
    finally:
        k2d.kubectl("delete", "pod", "open", "secret", "closed", "never", "--ignore-not-found", "--timeout=30s", ok=False)
        k2d.kubectl("delete", "secret", "pull", ok=False)


@steps("a host port that is taken, and an image that does not exist, are told and harm nothing")
def _():
    def pod(name, **container):
        k2d.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": {
            "terminationGracePeriodSeconds": 1, "containers": [{"name": "c", "image": "busybox:1.37", "command": ["sleep", "1000"], **container}]}}))

    taken = host.docker("run", "-d", "-p", "18080:80", "busybox:1.37", "sleep", "1000")
    try:
        pod("taken", ports=[{"containerPort": 80, "hostPort": 18080}])
        pod("no-image", image="127.0.0.1:9/none:1")

        def waiting(name):
            return (k2d.get("pod", name)["status"].get("containerStatuses") or [{"state": {}}])[0]["state"].get("waiting", {})

        until(20, lambda: waiting("no-image").get("reason") in ("ErrImagePull", "ImagePullBackOff"), "the image")
        # Kubernetes would not even bind it; either way it says why and does not run.
        until(20, lambda: "18080" in k2d.kubectl("describe", "pod", "taken") and ("FailedScheduling" in k2d.kubectl("describe", "pod", "taken")
              or waiting("taken").get("reason") in ("CreateContainerError", "RunContainerError", "StartError", "CrashLoopBackOff")), "the host port")
        check(host.inspect(taken)["State"]["Running"], "the other container")
    finally:
        host.docker("rm", "-f", taken)
        k2d.kubectl("delete", "pod", "taken", "no-image", "--ignore-not-found", "--timeout=30s", ok=False)


@steps("kubectl delete leaves nothing behind")
def _():
    claim = k2d.get("-n", "plant", "pvc", "mqtt-data")
    policy = k2d.get("pv", claim["spec"]["volumeName"])["spec"]["persistentVolumeReclaimPolicy"]
    check("plant.mqtt-data" in host.docker("volume", "ls", "-q").split(), "the claim's volume has another name")
    k2d.kubectl("delete", "-f", MANIFESTS, "--ignore-not-found", "--timeout=100s", timeout=120)
    check(k2d.kubectl("get", "namespace", "plant", ok=False)[0] != 0, "the namespace is still there")
    until(10, lambda: host.containers(every=True) == before["containers"], "no container more than before")
    network = json.loads(host.docker("network", "inspect", "k2d"))[0]
    check(not network["Containers"], "endpoints on the engine's network:", network["Containers"])
    until(5, lambda: volume_folders() == before["folders"], f"no volume folder more than before ({volume_folders()})")
    until(5, lambda: firewall() == before["firewall"], "the firewall as before: " + "\n".join(sorted(set(firewall()) - set(before["firewall"]))))
    there = lambda: "plant.mqtt-data" in host.docker("volume", "ls", "-q").split()
    if policy == "Delete":
        until(10, lambda: not there(), "the claim's data is gone, as its reclaim policy says")
    else:
        check(there(), "the claim's data is gone though its reclaim policy is", policy)
    return f"reclaim policy {policy}"


@steps("a claim whose class says Retain keeps its data")
def _():
    default = next(one for one in k2d.get("storageclass")["items"]
                   if (one["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true")
    kept = {**{key: value for key, value in default.items() if key != "metadata"}, "metadata": {"name": "keep"}, "reclaimPolicy": "Retain"}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "notes", "namespace": "default"},
             "spec": {"storageClassName": "keep", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}
    writer = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer", "namespace": "default"}, "spec": {
        "restartPolicy": "Never", "containers": [{"name": "w", "image": "busybox:1.37", "command": ["sh", "-c", "echo kept > /notes/word"],
                                                  "volumeMounts": [{"name": "notes", "mountPath": "/notes"}]}],
        "volumes": [{"name": "notes", "persistentVolumeClaim": {"claimName": "notes"}}]}}
    try:
        for thing in (kept, claim, writer):
            k2d.kubectl("apply", "-f", "-", text=json.dumps(thing))
        until(30, lambda: k2d.get("pod", "writer")["status"]["phase"] == "Succeeded", "the writing pod succeeded")
        volume = k2d.get("pvc", "notes")["spec"]["volumeName"]
        k2d.kubectl("delete", "pod/writer", "pvc/notes", "--timeout=30s")
        until(10, lambda: k2d.get("pv", volume)["status"]["phase"] == "Released", "the volume is released")
        word = host.docker("run", "--rm", "-v", "default.notes:/notes", "busybox:1.37", "cat", "/notes/word")
        check(word == "kept", word)
    finally:
        k2d.kubectl("delete", "pod/writer", "pvc/notes", "--ignore-not-found", "--timeout=30s", ok=False)
        k2d.kubectl("delete", "storageclass/keep", "--ignore-not-found", ok=False)
        for one in k2d.get("pv")["items"]:
            k2d.kubectl("delete", "pv", one["metadata"]["name"], "--timeout=10s", ok=False)
        host.docker("volume", "rm", "default.notes", ok=False)


@steps("k2d ends at once when asked and leaves the engine alone")
def _():
    status = k2d.stop(signal.SIGTERM, wait=10)
    check(status == 0, "exit status", status)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--until")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--engine", choices=("docker", "podman"), default="docker")
    options = parser.parse_args()
    if options.list:
        print("\n".join(steps.names()))
        sys.exit(0)
    host = on_host("k2d-e2e", engines=(options.engine,), keep=options.keep)
    if options.engine == "podman":
        steps.leave_out(DOCKER_ALONE)
    k2d = K2d.on(host)
    steps.on_failure = diagnose
    try:
        steps.play(options.until, options.only)
    finally:
        if options.keep:
            print(f"k2d goes on: tests/testbed/host.sh {host.name} exec {k2d.tools}/kubectl --kubeconfig {k2d.kubeconfig} get pods -A", file=sys.stderr)
        else:
            k2d.stop(signal.SIGKILL)
        keep_log(k2d.log, "e2e-k2d.log")
    sys.exit(steps.summary())
