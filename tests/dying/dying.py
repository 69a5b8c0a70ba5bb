#!/usr/bin/env python3
"""k2d dies and comes back, on real Docker: killed at each step of a pod's beginning, of a restart and of a pod's end; beside an
engine that goes away; by a power cut; with a clock that jumps; with a full disk.

  dying.py                   all of it
  dying.py --only WORD...    the steps whose name holds one of the words
  dying.py --list            the names of the steps
  dying.py --every N         only each N-th place of those at which it can die (default 1)
  dying.py --keep            leave the test host as it is at the end (host.sh k2d-dying down removes it)

The places are those of src/failpoint.rs, which only builds with debug assertions have: K2D_BIN or target/debug/k2d.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from testbed import HERE, ROOT, Ended, Failed, K2d, Steps, check, keep_log, on_host, run, tools, until

steps = Steps()
PODS = "/api/v1/namespaces/default/pods"
GONE = (OSError, http.client.HTTPException, Ended)
SHELL = {"image": "busybox:1.37", "command": ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 1000 & wait; done"]}


class Place:
    """A k2d with an instance, a network and a port of its own, so that several die at the same time on one engine."""

    def __init__(self, number, data=None, **env):
        self.name, self.lives = f"dying{number}", f"lives{number}"
        self.data = data or os.path.join(host.data, self.name)
        self.point = os.path.join(host.data, f"{self.name}.point")
        self.passed = os.path.join(host.data, f"{self.name}.log")
        self.scratch = os.path.join(host.data, f"{self.name}-scratch")
        os.makedirs(self.scratch, exist_ok=True)
        env = {"K2D_NETWORK__PODS": f"10.{60 + number}.0.0/16", "K2D_NETWORK__SERVICES": f"10.{160 + number}.0.0/16", "K2D_FOREIGN__NAMESPACE": f"docker{number}",
               "K2D_NETWORK__NODE_PORTS": f"{30000 + 100 * number}-{30099 + 100 * number}", "FAILPOINT": self.point, **env}
        self.k2d = K2d("--engine", f"unix://{host.socket}", "--instance", self.name, data=self.data, log=os.path.join("/run/k2d-test", host.name, f"{self.name}.log"),
                       listen=f"127.0.0.1:{7440 + number}", env=env)

    def start(self):
        self.k2d.start()
        until(20, lambda: self.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200, "the default service account")
        until(20, lambda: ready(self.ask("GET", "/api/v1/nodes")[1]["items"][0]), "a node that is ready")
        return self

    def ask(self, method, path, body=None, kind="application/json"):
        return self.k2d.api(method, path, body, kind)

    def make(self, path, body):
        status, answer = self.ask("POST", path, body)
        check(status == 201, path, status, answer)
        return answer

    def is_dead(self):
        return self.k2d.process.poll() is not None

    def arm(self, number):
        with open(self.point, "w") as file:
            file.write(str(number))
        if os.path.exists(self.passed):
            os.remove(self.passed)

    def disarm(self):
        """The name of the place at which it died, or None when that was not reached."""
        if os.path.exists(self.point):
            os.remove(self.point)
            return None
        with open(self.passed) as file:
            return file.read().splitlines()[-1]

    def pod(self, name):
        status, pod = self.ask("GET", f"{PODS}/{name}")
        return pod if status == 200 else None

    def until_ready(self, name, seconds=40):
        try:
            return until(seconds, lambda: (lambda pod: pod if pod and ready(pod) else None)(self.pod(name)), f"{name} is ready")
        except Failed as error:
            raise Failed(f"{error}\n{self.told()}") from None

    def containers(self):
        return host.containers(f"label=k2d.io/instance={self.name}", every=True)

    def endpoints(self):
        """Addresses on its network, by container."""
        found = json.loads(host.docker("network", "inspect", self.name))[0]["Containers"]
        return {one["Name"]: one["IPv4Address"].split("/")[0] for one in found.values()}

    def folders(self):
        top = os.path.join(self.data, "volumes")
        return sorted(os.listdir(top)) if os.path.isdir(top) else []

    def rules(self):
        """The packet rules of this instance as text."""
        for table in run("nft", "list", "tables")[1].splitlines():
            if table.split()[-1] == self.name:
                return run("nft", "list", "table", *table.split()[1:])[1]
        return ""

    def told(self):
        """What there is to see when something is wrong."""
        try:
            pods = [{"name": pod["metadata"]["name"], "deleted": pod["metadata"].get("deletionTimestamp"), "status": pod.get("status")} for pod in self.ask("GET", PODS)[1]["items"]]
            return json.dumps(pods)[:4000] + "\n" + host.docker("ps", "-a", "--filter", f"label=k2d.io/instance={self.name}", "--format", "{{.Names}} {{.Status}}")
        except (Failed, *GONE) as error:
            return str(error)

    def try_to(self, method, path, body=None):
        """A request of a client that does not know whether k2d lives; whether it was acknowledged."""
        try:
            return self.ask(method, path, body)[0] < 400
        except GONE:
            return False

    def until_dead_or(self, holds, seconds=40):
        """Whether it died before that held."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.is_dead():
                return True
            try:
                if holds():
                    # What is done after it, such as an event, may still be a place to die at.
                    time.sleep(0.3)
                    return self.is_dead()
            except (KeyError, *GONE):
                pass
            time.sleep(0.05)
        if self.is_dead():
            return True
        raise Failed("neither dead nor done:", json.dumps(self.ask("GET", PODS)[1]["items"])[:3000])


def ready(thing):
    return any(one["type"] == "Ready" and one["status"] == "True" for one in thing.get("status", {}).get("conditions", []))


def counts(pod):
    return {one["name"]: one["restartCount"] for field in ("initContainerStatuses", "containerStatuses") for one in pod["status"].get(field, [])}


def large(name):
    """A pod with all that leaves traces: an init container, two others, projected files, an empty folder, a claim, a service."""
    mounts = [{"name": "c", "mountPath": "/c"}, {"name": "e", "mountPath": "/e"}, {"name": "p", "mountPath": "/p"}]
    volumes = [{"name": "c", "configMap": {"name": "words"}}, {"name": "e", "emptyDir": {}}, {"name": "p", "persistentVolumeClaim": {"claimName": "keeps"}}]
    return {"metadata": {"name": name, "labels": {"app": "large"}}, "spec": {"terminationGracePeriodSeconds": 3, "volumes": volumes,
            "initContainers": [{"name": "init", "image": "busybox:1.37", "command": ["true"], "volumeMounts": mounts}],
            "containers": [{"name": "a", **SHELL, "volumeMounts": mounts}, {"name": "b", **SHELL, "volumeMounts": mounts}]}}


def is_whole(place, pod):
    """Exactly one set of containers, one folder, one endpoint, the rules, and a status that tells the truth."""
    name = pod["metadata"]["name"]
    wanted = {f"default.{name}.{one}" for one in ("init", "a", "b")}
    found = place.containers()
    others = set(found) - wanted
    check(wanted <= set(found) and len(others) == 1, "containers:", sorted(found))
    check(place.folders() == [pod["metadata"]["uid"]], "folders of volumes:", place.folders())
    address = pod["status"]["podIP"]
    check(list(place.endpoints().values()) == [address], "endpoints on the network:", place.endpoints(), "address", address)
    check(counts(pod) == {"init": 0, "a": 0, "b": 0}, "restart counts:", counts(pod))
    for one in pod["status"]["containerStatuses"]:
        check(one["containerID"] == "docker://" + found[f"default.{name}.{one['name']}"] and one["ready"], one, found)
    check(pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0, pod["status"])
    until(10, lambda: address in place.rules(), f"a rule for {address}")
    mounted = host.docker("exec", f"default.{name}.a", "cat", "/c/word")
    check(mounted == "kept", "in the volume:", mounted)


def is_gone(place):
    """Nothing is left of the pod."""
    until(15, lambda: not place.containers(), "no container is left")
    check(not place.folders(), "folders of volumes:", place.folders())
    check(not place.endpoints(), "endpoints on the network:", place.endpoints())
    until(10, lambda: f"10.{60 + int(place.name[5:])}." not in re.sub(r"10\.\d+\.0\.[01](/\d+)?\b", "", place.rules()), "no rule is left for the pod")


def begin_and_end(place, number, told):
    """One round: it dies at that place of the beginning, comes back, dies at that place of the end, and comes back."""
    name, reached = f"pod{number}", False
    place.arm(number)
    acknowledged = place.try_to("POST", PODS, large(name))
    if place.until_dead_or(lambda: ready(place.pod(name))):
        told.append(("beginning", place.disarm()))
        place.start()
        status, found = place.ask("GET", f"{PODS}/{name}")
        check(status == 200 or not acknowledged, "a pod that was acknowledged is lost")
        if status == 404:
            place.make(PODS, large(name))
        reached = True
    else:
        place.disarm()
    is_whole(place, place.until_ready(name))
    place.arm(number)
    place.try_to("DELETE", f"{PODS}/{name}")
    if place.until_dead_or(lambda: place.pod(name) is None):
        told.append(("end", place.disarm()))
        place.start()
        pod = place.pod(name)
        if pod and not pod["metadata"].get("deletionTimestamp"):
            place.ask("DELETE", f"{PODS}/{name}")
        until(30, lambda: place.pod(name) is None, "the pod is gone")
        reached = True
    else:
        place.disarm()
    is_gone(place)
    return reached


def at_each(rounds, prepare):
    """Rounds with places that rise, on two of them at once, until no place is reached any more. Tells where it died."""
    told, errors, lock = [], [], threading.Lock()
    numbers = iter(range(0, 400, options.every))
    done = threading.Event()

    def work(place):
        place.start()
        try:
            prepare(place)
            while not done.is_set():
                with lock:
                    number = next(numbers)
                mine = []
                try:
                    if not rounds(place, number, mine):
                        done.set()
                except Exception as error:
                    where = f"place {number} {mine}"
                    errors.append(f"{where}: {error}" if isinstance(error, (Failed, Ended)) else f"{where}: {error!r}")
                    print(f"     {errors[-1]}\n     {place.told()}", flush=True)
                    keep_log(place.k2d.log, f"dying-{place.name}.log")
                    try:
                        afresh(place)
                        prepare(place)
                    except (Failed, *GONE) as worse:
                        errors.append(f"afresh: {worse}")
                        done.set()
                    if len(errors) > 6:
                        done.set()
                told.extend(mine)
        finally:
            if place.is_dead():
                place.start()
            clean(place)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [Place(1), Place(2)]))
    check(not errors, "\n  " + "\n  ".join(errors))
    check(told, "it died nowhere: this build has no places to die at (see src/failpoint.rs)")
    return told


def afresh(place):
    """After an error: no pod and no container, so that the next round means something."""
    if os.path.exists(place.point):
        os.remove(place.point)
    if place.is_dead():
        place.start()
    place.ask("DELETE", f"{PODS}?gracePeriodSeconds=0")
    try:
        until(20, lambda: not place.containers() and not place.folders(), "nothing is left")
    except Failed:
        for name in place.containers():
            host.docker("rm", "-f", name, ok=False)


def clean(place):
    place.ask("DELETE", f"{PODS}?gracePeriodSeconds=0")
    try:
        until(20, lambda: not place.containers(), "nothing is left")
    finally:
        place.k2d.stop()


def words(place):
    if place.ask("GET", "/api/v1/namespaces/default/configmaps/words")[0] == 200:
        return
    place.make("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "words"}, "data": {"word": "kept"}})
    place.make("/api/v1/namespaces/default/persistentvolumeclaims", {"metadata": {"name": "keeps"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}})
    place.make("/api/v1/namespaces/default/services", {"metadata": {"name": "large"}, "spec": {"selector": {"app": "large"}, "ports": [{"port": 80, "targetPort": 8080}]}})


def tell(told):
    """How often it died, and at places of which kinds."""
    kinds = sorted({re.sub(r"[0-9a-f]{64}", "ID", name).split("?")[0] for _, name in told})
    return f"{len(told)} deaths at {len(kinds)} kinds of places: {'; '.join(kinds)}"


@steps("killed at each step of a pod's beginning and end")
def _():
    told = at_each(begin_and_end, words)
    return tell(told)


def restarted(place, number, told):
    """One round: it dies at that place while a container that is not alive is replaced; the count goes on by one."""
    sign = os.path.join(place.scratch, "alive")
    before = place.until_ready(place.lives)
    count = counts(before)["main"]
    place.arm(number)
    os.remove(sign)
    reached = place.until_dead_or(lambda: counts(place.pod(place.lives))["main"] > count and ready(place.pod(place.lives)))
    if reached:
        told.append(("restart", place.disarm()))
        place.start()
    else:
        place.disarm()
    pod = until(40, lambda: (lambda pod: pod if pod and ready(pod) and os.path.exists(sign) else None)(place.pod(place.lives)), "ready again")
    until(20, lambda: counts(place.pod(place.lives))["main"] > count, f"the count is more than {count}")
    pod = place.pod(place.lives)
    check(counts(pod)["main"] == count + 1, f"the count {count} became {counts(pod)['main']}")
    names = place.containers()
    check(f"default.{place.lives}.main" in names and len(names) == 2, "containers:", sorted(names))
    check(place.folders() == [pod["metadata"]["uid"]], place.folders())
    return reached


def lives(place):
    sign = os.path.join(place.scratch, "alive")
    main = {"name": "main", "image": "busybox:1.37", "command": ["sh", "-c", "touch /s/alive; trap 'exit 0' TERM; sleep 100000 & wait"], "volumeMounts": [{"name": "s", "mountPath": "/s"}],
            "livenessProbe": {"exec": {"command": ["ls", "/s/alive"]}, "periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 2}}
    if os.path.exists(sign):
        os.remove(sign)
    place.make(PODS, {"metadata": {"name": place.lives}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [main], "volumes": [{"name": "s", "hostPath": {"path": place.scratch}}]}})
    place.until_ready(place.lives)


@steps("killed at each step of a restart")
def _():
    told = at_each(restarted, lives)
    return tell(told)


@steps("the engine goes away and comes back")
def _():
    place = Place(3).start()
    words(place)
    place.make(PODS, large("stays"))
    simple = {"metadata": {"name": "simple"}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", **SHELL}]}}
    place.make(PODS, simple)
    place.until_ready("stays")
    before = (place.until_ready("simple"), place.containers())
    host.do("docker-stop")
    until(10, lambda: not ready(place.ask("GET", "/api/v1/nodes")[1]["items"][0]), "the node is not ready without its engine")
    # What is asked for meanwhile is kept.
    place.make(PODS, {**simple, "metadata": {"name": "later"}})
    time.sleep(3)
    host.do("docker-start")
    for name in ("stays", "simple", "later"):
        place.until_ready(name, 60)
    after = place.containers()
    # A run that ended is kept beside the next one, under its number, for the log of before.
    now = {one for one in after if not re.fullmatch(r"default\.stays\.[ab]\.\d+", one)}
    check(now == set(before[1]) | {"default.later.main"}, sorted(after))
    check(place.pod("simple")["status"]["podIP"] == before[0]["status"]["podIP"], "another address")
    check(sorted(place.folders()) == sorted(place.pod(name)["metadata"]["uid"] for name in ("stays", "simple", "later")), place.folders())
    # The engine counts no restart of its own stop; a pod that was restarted says so, and never less than before.
    check(all(count >= 0 for name in ("stays", "simple") for count in counts(place.pod(name)).values()), "counts")
    clean(place)


@steps("the power is cut")
def _():
    """Everything is killed, what was in /run is gone; the workloads are up before k2d, which then tells the truth."""
    place = Place(4).start()
    words(place)
    page = {"name": "web", "image": "busybox:1.37", "command": ["sh", "-c", "echo here > /tmp/index.html; trap 'exit 0' TERM; httpd -f -p 8080 -h /tmp & wait"]}
    place.make(PODS, {"metadata": {"name": "web", "labels": {"app": "large"}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [page]}})
    place.make(PODS, large("stays"))
    pods = {name: place.until_ready(name) for name in ("web", "stays")}
    before = place.containers()
    place.k2d.stop(signal.SIGKILL)
    host.do("power-cut")
    host.do("docker-start")
    address = pods["web"]["status"]["podIP"]
    until(30, lambda: run("curl", "-s", "--max-time", "2", f"http://{address}:8080/", ok=False)[1] == "here\n", "the page without k2d")
    place.start()
    for name, old in pods.items():
        pod = place.until_ready(name, 60)
        check(pod["metadata"]["uid"] == old["metadata"]["uid"] and pod["status"]["podIP"] == old["status"]["podIP"], name, pod["status"])
        check(all(count >= counts(old)[name] for name, count in counts(pod).items()), name, counts(pod), counts(old))
    check(set(place.containers()) == set(before), sorted(place.containers()))
    until(10, lambda: address in place.rules(), "the rules")
    clean(place)


class Clock(Place):
    """A k2d whose clock this script sets, by libfaketime; its certificates are looked at by that clock alone."""

    def __init__(self, number):
        self.file = os.path.join(host.data, "clock")
        self.set("+0")
        library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
        check(os.path.exists(library), "libfaketime is not there: apt-get install faketime")
        super().__init__(number, LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=self.file, FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1", FAKETIME_DONT_RESET="1")
        k2d = self.k2d

        def credentials():
            view = json.loads(k2d.kubectl("config", "view", "--raw", "-o", "json"))["users"][0]["user"]
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            pair = os.path.join(host.data, "clock.pem")
            import base64
            with open(pair, "wb") as file:
                file.write(base64.b64decode(view["client-certificate-data"]) + b"\n" + base64.b64decode(view["client-key-data"]))
            context.load_cert_chain(pair)
            return context
        k2d.credentials = credentials

    def set(self, offset):
        with open(self.file + ".new", "w") as file:
            file.write(offset + "\n")
        os.rename(self.file + ".new", self.file)


@steps("the clock jumps back a day and forward a year")
def _():
    place = Clock(5).start()
    words(place)
    place.make(PODS, large("stays"))
    lives(place)
    place.until_ready("stays")
    before = place.containers()
    for offset, name in (("-1d", "back"), ("+365d", "forward"), ("+0", "again")):
        place.set(offset)
        time.sleep(3)
        check(not place.is_dead() and place.containers() == before, "it did harm when the clock jumped")
        # The kernel tells a program that its clock was set, so that it renews its certificates; this library does not.
        place.k2d.stop(signal.SIGKILL)
        place.start()
        # What is new is made, what is deleted goes in its time, whatever the clock says.
        stubborn = {"name": "main", "image": "busybox:1.37", "command": ["sh", "-c", "trap '' TERM; sleep 100000 & wait; wait"]}
        place.make(PODS, {"metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 2, "containers": [stubborn]}})
        pod = place.until_ready(name)
        year = time.strftime("%Y", time.gmtime(time.time() + (365 * 86400 if offset == "+365d" else 0)))
        check(pod["metadata"]["creationTimestamp"].startswith(year), pod["metadata"], "is not by the clock that was set")
        begin = time.monotonic()
        place.ask("DELETE", f"{PODS}/{name}")
        until(30, lambda: place.pod(name) is None, f"{name} is gone")
        check(time.monotonic() - begin < 20, "the end took", time.monotonic() - begin)
        check(place.containers() == before, "containers:", sorted(place.containers()), sorted(before))
        for one in ("stays", place.lives):
            check(ready(place.pod(one)) and not any(counts(place.pod(one)).values()), one, place.pod(one)["status"])
    place.k2d.stop()
    place.set("-1d")
    place.start()
    place.until_ready("stays")
    check(place.containers() == before, "after a start of the day before")
    clean(place)


@steps("the disk is full")
def _():
    data = os.path.join(host.data, "small")
    os.makedirs(data, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=12M,mode=0700", "tmpfs", data)
    # The files of volumes have a disk of their own, with room for large words once.
    os.mkdir(volumes := os.path.join(data, "volumes"), 0o700)
    run("mount", "-t", "tmpfs", "-o", "size=1M,mode=0700", "tmpfs", volumes)
    place = Place(6, data=data).start()
    words(place)
    reader = {"name": "main", **SHELL, "volumeMounts": [{"name": "c", "mountPath": "/c"}]}
    place.make(PODS, {"metadata": {"name": "reads"}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [reader], "volumes": [{"name": "c", "configMap": {"name": "words"}}]}})
    place.until_ready("reads")
    name, path = "default.reads.main", "/api/v1/namespaces/default/configmaps/words"

    def change(content):
        return place.ask("PATCH", path, {"data": content}, "application/merge-patch+json")

    def fill(left):
        """Leaves so many bytes free."""
        if os.path.exists(f"{data}/fills"):
            os.remove(f"{data}/fills")
        disk = os.statvfs(data)
        subprocess.run(["fallocate", "-l", str(max(disk.f_bavail * disk.f_bsize - left, 4096)), f"{data}/fills"], check=True)

    # No room for the store: the write is refused and says why, what was there stays.
    fill(0)
    refused = []
    for number in range(40):
        status, answer = change({"word": "new", "more": "x" * 200000 + str(number)})
        if status >= 400:
            refused.append((status, answer))
            break
    check(refused, "every write went to a disk that is full")
    status, answer = refused[0]
    check(status in (500, 507) and "full" in answer["message"] and answer["kind"] == "Status", status, answer)
    stored = place.ask("GET", path)[1]["data"]
    check(stored["word"] in ("kept", "new") and not place.is_dead(), stored["word"])
    check(ready(place.pod("reads")), "what runs was harmed")
    os.remove(f"{data}/fills")
    check(change({"word": "kept", "more": None})[0] == 200, "there is room again")
    until(10, lambda: host.docker("exec", name, "ls", "/c") == "word" and host.docker("exec", name, "cat", "/c/word") == "kept", "the old words")

    # Room for the store, and none for the files: the old files stay whole, and the pod's events say why.
    big = {"word": "first", "more": "y" * 600000}
    check(change(big)[0] == 200, "there is room for it once")
    until(10, lambda: host.docker("exec", name, "cat", "/c/word") == "first", "the first large words")
    check(change({"word": "second", "more": "z" * 600000})[0] == 200, "the store has room")

    def said():
        events = place.ask("GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dreads")[1]["items"]
        return [one for one in events if one["reason"] == "FailedMount" and "o space left" in one["message"]]

    until(15, said, "an event FailedMount")
    seen = host.docker("exec", name, "sh", "-c", "cat /c/word; wc -c </c/more; tail -c 1 /c/more").split()
    check(seen == ["first600000", "y"] and ready(place.pod("reads")), "the old words are not whole:", seen)
    current = {"word": "third"}
    check(change({**current, "more": None})[0] == 200, "smaller words")
    until(140, lambda: host.docker("exec", name, "cat", "/c/word") == "third", "the files follow once there is room")

    # A start on a full disk: k2d may refuse, but loses nothing.
    fill(0)
    place.k2d.stop(signal.SIGKILL)
    try:
        place.k2d.start(8)
    except (Failed, Ended) as error:
        check("space" in str(error) or "disk" in str(error), "the start says nothing of the disk:", error)
    if not place.is_dead():
        place.k2d.stop(signal.SIGKILL)
    os.remove(f"{data}/fills")
    place.start()
    check(place.ask("GET", path)[1]["data"] == current, "the words after a start on a full disk")
    place.until_ready("reads")
    clean(place)
    run("umount", volumes)
    run("umount", data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="WORD")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if options.list:
        sys.exit("\n".join(steps.names()))
    os.environ.setdefault("K2D_BIN", os.path.join(ROOT, "target", "debug", "k2d"))
    if "K2D_TEST_HOST" not in os.environ:
        run("bash", "-c", f". {HERE}/lib.sh; need faketime=faketime", timeout=600)
    host = on_host("k2d-dying", keep=options.keep)
    tools("37")
    try:
        steps.play(only=options.only)
    finally:
        for pid in run("ip", "netns", "pids", host.name, ok=False)[1].split():
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    if "--instance\0dying" in file.read():
                        os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass
    sys.exit(steps.summary())
