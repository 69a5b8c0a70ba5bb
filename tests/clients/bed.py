"""What the steps of this folder share: the k2d under test, kubectl of a release in a namespace of its own, and a stand-in
for the kubelet. There is no engine: pods stay as they are until `run_pods` says that they run."""
import itertools
import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from testbed import HERE, Failed, check, run, tools, until

PORT = 16447


def bring(what):
    """Where a client lies that tests/testbed/clients.sh brings or builds: python, informer or kube."""
    return run(os.path.join(HERE, "clients.sh"), what, timeout=600)[1].strip().splitlines()[-1]


class Kubectl:
    """kubectl of a release, in a namespace of its own, with caches of its own."""

    def __init__(self, k2d, release, work):
        self.k2d, self.release, self.name = k2d, release, f"k{release}"
        self.home = os.path.join(work, self.name)
        self.folder = tools(release)
        self.addresses = itertools.count()
        os.makedirs(self.home, exist_ok=True)

    def environment(self, **more):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("K2D_", "KUBE", "HELM_"))}
        return {**clean, "HOME": self.home, "KUBECONFIG": self.k2d.kubeconfig, "PATH": self.folder + ":" + os.environ["PATH"], **more}

    def start(self, *words, **more):
        return subprocess.Popen(["kubectl", "-n", self.name, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=self.environment(**more))

    def split(self, *words, text=None, status=0, timeout=40, **more):
        """Standard output and standard error of a command that ends with this status."""
        done = subprocess.run(["kubectl", "-n", self.name, *words], input=text, stdin=subprocess.DEVNULL if text is None else None,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout, env=self.environment(**more))
        if done.returncode != status:
            raise Failed(f"exit {done.returncode}: kubectl {' '.join(words)}\n{done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    def __call__(self, *words, **options):
        """What it printed; nothing may be on standard error but warnings."""
        out, said = self.split(*words, **options)
        odd = [line for line in said.splitlines() if line and not line.startswith(("Warning:", "WARNING:", "Flag --"))]
        check(not odd, f"kubectl {' '.join(words)} also said:", *odd)
        return out

    def refused(self, *words, **options):
        """What it said of a command that ends with status 1."""
        out, said = self.split(*words, status=1, **options)
        return (out + said).strip()

    def said(self, expected, *words, **options):
        """Checks all that it printed, without the end of the line."""
        out = self(*words, **options).strip()
        check(out == expected, f"kubectl {' '.join(words)} printed {out!r} instead of {expected!r}")
        return out

    def get(self, *words):
        return json.loads(self("get", *words, "-o", "json"))

    def path(self, jsonpath, *words):
        return self("get", *words, "-o", f"jsonpath={jsonpath}")

    def run_pods(self, selector="", namespace=None):
        """Says of every pod that lives and is not ready that its containers run; gives the number of those."""
        changed, namespace = 0, namespace or self.name
        for pod in self.k2d.api("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")[1]["items"]:
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
            if ready or pod["metadata"].get("deletionTimestamp"):
                continue
            time = pod["metadata"]["creationTimestamp"]
            containers = [{"name": c["name"], "image": c["image"], "imageID": "", "restartCount": 0, "ready": True, "started": True,
                           "state": {"running": {"startedAt": time}}} for c in pod["spec"]["containers"]]
            conditions = [{"type": kind, "status": "True", "lastTransitionTime": time} for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")]
            status, answer = self.k2d.api("PATCH", f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/status", {"status": {
                "phase": "Running", "podIP": f"10.42.9.{next(self.addresses) % 250 + 2}", "startTime": time, "conditions": conditions, "containerStatuses": containers}},
                kind="application/merge-patch+json")
            check(status in (200, 404, 409), "status of a pod:", status, answer)
            changed += 1
        return changed

    def running(self, namespace=None):
        """In a `with`: pods run soon after they are there."""
        return Kubelet(self, namespace)


class Kubelet:
    def __init__(self, kubectl, namespace):
        self.kubectl, self.namespace, self.end = kubectl, namespace, threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.end.wait(0.15):
            self.kubectl.run_pods(namespace=self.namespace)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


def columns(text):
    """The rows of a printed table, split at blanks."""
    return [line.split() for line in text.strip().splitlines()]


def has(text, *pieces):
    for piece in pieces:
        check(piece in text, f"{piece!r} is not in:\n{text}")
    return text


__all__ = ["Failed", "Kubectl", "PORT", "bring", "check", "columns", "has", "json", "os", "run", "until"]
