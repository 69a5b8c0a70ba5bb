#!/usr/bin/env python3
"""Measures what the API costs, on `k2d serve --api-only` and this machine's own disk: bytes for each object, lists, watches,
server-side apply, durable creates beside a bare SQLite loop, gets. Prints a table and writes target/bench-api.json.
The limits of time are a third of what a kube-apiserver 1.37 takes on a machine of two cores.

  api.py [--quick] [--folder DIR] [--only WORD...]     DIR: where the store lies (default: target/, a real disk and no memory)
"""
import argparse
import json
import multiprocessing
import os
import selectors
import shutil
import signal
import socket
import sqlite3
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from bench import KIB, MIB, Figures
from testbed import ROOT, K2d, check, keep_log, until

PORT = 16448
SIZE = 2048
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
MAPS = "/api/v1/namespaces/default/configmaps"


class Line:
    """One connection that costs its user little: HTTP/1.1 over TLS, requests made beforehand."""

    def __init__(self):
        plain = socket.create_connection(("127.0.0.1", PORT), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = k2d.credentials().wrap_socket(plain, server_hostname="127.0.0.1")
        self.left = b""

    @staticmethod
    def request(method, path, body=b"", kind="application/json", accept="application/json"):
        return (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    def send(self, request, status=(200, 201)):
        """The body of the answer."""
        self.socket.sendall(request)
        head = self.until(b"\r\n\r\n")
        code, fields = int(head[9:12]), head.lower()
        if b"content-length: " in fields:
            length = int(fields.split(b"content-length: ")[1].split(b"\r\n")[0])
            while len(self.left) < length:
                self.more()
            body, self.left = self.left[:length], self.left[length:]
        else:
            pieces = []
            while True:
                length = int(self.until(b"\r\n").strip() or b"0", 16)
                while len(self.left) < length + 2:
                    self.more()
                pieces.append(self.left[:length])
                self.left = self.left[length + 2:]
                if not length:
                    break
            body = b"".join(pieces)
        check(code in status, code, body[:300])
        return body

    def until(self, end):
        while end not in self.left:
            self.more()
        piece, self.left = self.left.split(end, 1)
        return piece + end

    def more(self):
        data = self.socket.recv(1 << 18)
        check(data, "the connection ended")
        self.left += data

    def close(self):
        self.socket.close()


def config_map(name, size=SIZE, **labels):
    """A ConfigMap that is kept as about `size` bytes of JSON."""
    bare = {"metadata": {"name": name, "labels": labels}, "data": {"text": ""}}
    bare["data"]["text"] = "".join(chr(97 + (index * 7 + len(name)) % 26) for index in range(max(0, size - 480)))
    return json.dumps(bare).encode()


def pod(name):
    return json.dumps({"metadata": {"name": name, "labels": {"app": "web", "tier": "front"}, "annotations": {"note": "made by the benchmark"}}, "spec": {
        "containers": [{"name": "main", "image": "registry.example/line/web:1.27", "args": ["--level", "info"],
                        "env": [{"name": "A", "value": "1"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                        "ports": [{"name": "http", "containerPort": 8080}], "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}}, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [{"name": "data", "emptyDir": {}}]}}).encode()


# === the process ===

def status_of(name):
    with open(f"/proc/{k2d.process.pid}/status") as file:
        return next(int(line.split()[1]) * KIB for line in file if line.startswith(name + ":"))


def anonymous():
    with open(f"/proc/{k2d.process.pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) * KIB for line in file if line.startswith("Anonymous:"))


def cpu():
    """Seconds on a processor."""
    total = 0
    for task in os.listdir(f"/proc/{k2d.process.pid}/task"):
        try:
            with open(f"/proc/{k2d.process.pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def settle():
    def quiet():
        before = cpu()
        time.sleep(1)
        return cpu() - before < 0.003
    until(60, quiet, "k2d is quiet")


def disk():
    """Bytes of the store's files."""
    return sum(os.path.getsize(path) for path in (os.path.join(k2d.data, name) for name in ("state.db", "state.db-wal")) if os.path.exists(path))


def timed(times, action):
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        spent.append(time.perf_counter() - begin)
    return spent


def make(prefix, count, body=config_map, path=MAPS, clients=1):
    """Creates objects and gives the seconds that it took."""
    names = [f"{prefix}-{number:05d}" for number in range(count)]
    work = [[Line.request("POST", path, body(name)) for name in names[client::clients]] for client in range(clients)]
    lines = [Line() for _ in range(clients)]
    gate = threading.Barrier(clients + 1)

    def client(line, requests):
        gate.wait()
        for request in requests:
            line.send(request)
    threads = [threading.Thread(target=client, args=pair) for pair in zip(lines, work)]
    for thread in threads:
        thread.start()
    gate.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - begin
    for line in lines:
        line.close()
    return taken


# === the measurements ===

def first_answer(folder):
    """Seconds from the start of the process, with an empty folder, to /readyz over TLS."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    begin = time.perf_counter()
    process = subprocess.Popen([K2d.binary(), "serve", "--api-only", "--listen", f"127.0.0.1:{PORT}", "--data-dir", folder], stdin=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={name: value for name, value in os.environ.items() if not name.startswith("K2D_")})
    try:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", PORT)) as plain, anybody.wrap_socket(plain) as line:
                    line.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
                    check(b" 200 " in line.recv(1000))
                    return time.perf_counter() - begin
            except ConnectionError:
                check(process.poll() is None and time.perf_counter() - begin < 20, "no answer")
                time.sleep(0.001)
    finally:
        process.kill()
        process.wait()


def measure_start():
    figures.add("start to first answer", started * 1000, "ms", 100, None, "--api-only with an empty folder, its certificates made")
    settle()
    figures.add("anonymous memory idle, empty", anonymous() / MIB, "MiB", 3, 1.5)
    figures.add("RSS idle, empty", status_of("VmRSS") / MIB, "MiB", 10.2, None, "limit: a fiftieth of kube-apiserver's")


def measure_creates(rounds=5):
    """In turns, so that all see the same disk at work."""
    count = 100 if options.quick else 300
    make("warm", 50)
    found, spent = {"bare": [], 1: [], 8: []}, {}
    for number in range(rounds):
        found["bare"].append(bare_loop(count))
        for clients in (1, 8):
            before = cpu()
            found[clients].append(count / make(f"rate-{clients}-{number}", count, clients=clients))
            spent[clients] = (cpu() - before) / count * 1000
    rates = {what: statistics.median(all_rounds) for what, all_rounds in found.items()}
    figures.add("bare SQLite loop", rates["bare"], "inserts/s", None, None, f"the same settings, the same disk; median of {rounds} rounds, in turns")
    figures.least("durable creates, 1 client", rates[1], "/s", 142 * 3, f"{spent[1]:.2f} ms of CPU each")
    figures.least("durable creates, 8 clients", rates[8], "/s", 230 * 3, f"{spent[8]:.2f} ms of CPU each")
    figures.least("creates / bare loop, 1 client", statistics.median(own / bare for own, bare in zip(found[1], found["bare"])), "times", 0.5)
    figures.least("8 clients / 1 client", statistics.median(many / one for many, one in zip(found[8], found[1])), "times", 1)


def bare_loop(count):
    """Inserts a second by nothing but SQLite."""
    path = os.path.join(tempfile.mkdtemp(dir=os.path.dirname(k2d.data)), "bare.db")
    store = sqlite3.connect(path, isolation_level=None)
    store.executescript("""PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA cache_size = -256; PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 128;
        CREATE TABLE objects (id INTEGER PRIMARY KEY, resource TEXT, path TEXT, revision INTEGER, head BLOB, status BLOB);
        CREATE UNIQUE INDEX objects_path ON objects (resource, path);""")
    body = os.urandom(SIZE)
    begin = time.perf_counter()
    for number in range(count):
        store.execute("INSERT INTO objects (resource, path, revision, head) VALUES (?, ?, ?, ?)", ("configmaps", f"default/rate-{number}", number, body))
    taken = time.perf_counter() - begin
    store.close()
    return count / taken


def measure_objects():
    # The history of changes has its fixed size; it is full before this counts.
    first, second = (600, 600) if options.quick else (1500, 4000)
    make("fill", first, clients=8)
    settle()
    memory, before = anonymous(), disk()
    make("object", second, clients=8)
    kept = len(Line().send(Line.request("GET", f"{MAPS}/object-00000")))
    settle()
    figures.add("disk for an object of 2 KB", (disk() - before) / second / KIB, "KiB", 3, None, f"mean of {second}, each {kept} bytes of JSON")
    figures.add("memory for an object of 2 KB", (anonymous() - memory) / second / KIB, "KiB", 0.3, None, f"anonymous, mean of {second}")


def measure_gets():
    line, request = Line(), Line.request("GET", f"{MAPS}/warm-00000")
    timed(100, lambda: line.send(request))
    before, spent = cpu(), timed(1000, lambda: line.send(request))
    figures.add("get", statistics.median(spent) * 1000, "ms", 1.4 / 3, None, f"median of 1000; 99 of 100 in {sorted(spent)[990] * 1000:.2f} ms; {(cpu() - before):.3f} ms of CPU each")
    line.close()


def measure_lists():
    count = 300 if options.quick else 1000
    path = "/api/v1/namespaces/pods/pods"
    line = Line()
    line.send(Line.request("POST", "/api/v1/namespaces", b'{"metadata":{"name":"pods"}}'))
    line.send(Line.request("POST", "/api/v1/namespaces/pods/serviceaccounts", b'{"metadata":{"name":"default"}}'), status=(201, 409))
    make("pod", count, pod, path, clients=8)
    for what, accept, limit in (("JSON", "application/json", 90), ("Table", TABLE, 46), ("metadata", METADATA, 23)):
        request = Line.request("GET", path, accept=accept)
        length = len(line.send(request))
        settle()
        with open(f"/proc/{k2d.process.pid}/clear_refs", "w") as file:
            file.write("5")
        resident, before = status_of("VmRSS"), cpu()
        spent = timed(15, lambda: line.send(request))
        used = (cpu() - before) / 15 * 1000
        figures.add(f"{count} pods as {what}", statistics.median(spent) * 1000, "ms", limit / 3 * count / 1000, None, f"{length // KIB} KiB; {used:.1f} ms of CPU")
        figures.add(f"{count} pods as {what}: growth at its peak", (status_of("VmHWM") - resident) / MIB, "MiB", 4)
    line.close()


def readers(count, pieces, ready, done):
    """A process of watchers: reads all of them until each has seen `pieces` events."""
    waiting = selectors.DefaultSelector()
    head = Line.request("GET", f"{MAPS}?watch=1&labelSelector=watched&resourceVersion={ready.get()}&timeoutSeconds=300")
    seen = {}
    for number in range(count):
        line = Line()
        line.socket.sendall(head)
        line.until(b"\r\n\r\n")
        seen[number] = line.left.count(b'"type":"MODIFIED"')
        line.socket.setblocking(False)
        waiting.register(line.socket, selectors.EVENT_READ, (number, line))
    done.put("ready")
    tails = {number: b"" for number in seen}
    while any(have < pieces for have in seen.values()):
        for key, _ in waiting.select(30):
            number, line = key.data
            while True:
                try:
                    data = line.socket.recv(1 << 16)
                except (BlockingIOError, OSError):
                    break
                if not data:
                    done.put(f"watch {number} ended after {seen[number]} events")
                    return
                whole = tails[number] + data
                seen[number] += whole.count(b'"type":"MODIFIED"')
                tails[number] = whole[-16:] if not whole.endswith(b'"type":"MODIFIED"') else b""
    done.put("all")


def measure_watches(watchers=100, updates=1000):
    if options.quick:
        updates = 200
    line = Line()
    version = json.loads(line.send(Line.request("POST", MAPS, config_map("watched", 1024, watched="yes"))))["metadata"]["resourceVersion"]
    ready, done = multiprocessing.Queue(), multiprocessing.Queue()
    other = multiprocessing.Process(target=readers, args=(watchers, updates, ready, done))
    other.start()
    ready.put(version)
    check(done.get(timeout=60) == "ready")
    settle()
    with open(f"/proc/{k2d.process.pid}/clear_refs", "w") as file:
        file.write("5")
    resident, before, begin = status_of("VmRSS"), cpu(), time.perf_counter()
    for number in range(updates):
        line.send(Line.request("PATCH", f"{MAPS}/watched", json.dumps({"metadata": {"annotations": {"n": str(number)}}}).encode(), "application/merge-patch+json"))
    written = time.perf_counter() - begin
    verdict = done.get(timeout=120)
    taken, used = time.perf_counter() - begin, cpu() - before
    other.join()
    check(verdict == "all", verdict)
    figures.add(f"{updates} updates to {watchers} watchers", taken * 1000, "ms", None, None, f"writes alone {written * 1000:.0f} ms; {used / updates / watchers * 1e6:.1f} us of CPU for an event and watcher")
    figures.add("... growth at its peak", (status_of("VmHWM") - resident) / MIB, "MiB", None)
    line.close()


def measure_apply():
    path = "/apis/apps/v1/namespaces/default/deployments/web?fieldManager=bench&force=true"

    def body(tag):
        env = [{"name": f"V{number}", "value": str(number)} for number in range(10)]
        container = {"name": "web", "image": f"nginx:{tag}", "env": env, "ports": [{"containerPort": 80, "name": "http"}],
                     "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                     "readinessProbe": {"httpGet": {"path": "/", "port": "http"}}, "volumeMounts": [{"name": "c", "mountPath": "/c"}]}
        return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                "containers": [container], "volumes": [{"name": "c", "configMap": {"name": "c"}}]}}}}).encode()
    line = Line()

    def apply(tag):
        line.send(Line.request("PATCH", path, body(tag), "application/apply-patch+yaml"))
    for number in range(20):
        apply(number)
    for what, tags in (("changes", iter(range(1000, 1300))), ("changes nothing", iter([1299] * 300))):
        before = cpu()
        spent = timed(300, lambda: apply(next(tags)))
        figures.add(f"server-side apply that {what}: CPU", (cpu() - before) / 300 * 1000, "ms", 2)
        figures.add(f"server-side apply that {what}", statistics.median(spent) * 1000, "ms", 4.4 / 3, None, "median of 300")
    line.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", default=os.path.join(ROOT, "target"))
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    multiprocessing.set_start_method("fork")
    figures, broken = Figures(), []
    work = tempfile.mkdtemp(prefix="bench-", dir=options.folder)
    k2d = K2d("--api-only", data=os.path.join(work, "k2d"), log=os.path.join(work, "k2d.log"), listen=f"127.0.0.1:{PORT}")
    try:
        started = first_answer(os.path.join(work, "first"))
        k2d.start()
        for measurement in (measure_start, measure_creates, measure_gets, measure_apply, measure_objects, measure_lists, measure_watches):
            if options.only and not any(word in measurement.__name__ for word in options.only):
                continue
            try:
                measurement()
            except Exception as error:
                broken.append(f"{measurement.__name__}: {error!r}")
                if k2d.process.poll() is not None:
                    broken.append(k2d.tail())
                    break
    finally:
        k2d.stop(signal.SIGKILL)
        keep_log(k2d.log, "bench-api-k2d.log")
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(figures.report("bench-api.json", broken))
