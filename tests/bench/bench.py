#!/usr/bin/env python3
"""Measures what the budgets speak of, on a real Docker, and prints it beside them: a table, and JSON in
target/bench.json. A figure outside its budget is marked; only a measurement that could not be made is an error.

  bench.py [--quick]
"""
import argparse
import glob
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from testbed import ROOT, K2d, check, keep_log, on_host, until

KIB, MIB = 1024, 1024 * 1024
IMAGE = "busybox:1.37"
COMMAND = ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"]
PODS = "/api/v1/namespaces/default/pods"


class Figures:
    """What was measured, in its order, each with its budget."""

    def __init__(self):
        self.rows = []

    def add(self, name, value, unit, budget=None, stretch=None, note=""):
        verdict = "" if budget is None else "stretch" if stretch is not None and value <= stretch else "within" if value <= budget else "OUTSIDE"
        self.rows.append({"name": name, "value": round(value, 4), "unit": unit, "budget": budget, "stretch": stretch, "verdict": verdict, "note": note})
        print(f"  {name}: {number(value)} {unit}", file=sys.stderr, flush=True)

    def least(self, name, value, unit, budget, note=""):
        """A figure that should be at least its budget."""
        self.rows.append({"name": name, "value": round(value, 4), "unit": unit, "budget": budget, "stretch": None, "least": True,
                          "verdict": "within" if value >= budget else "OUTSIDE", "note": note})
        print(f"  {name}: {number(value)} {unit}", file=sys.stderr, flush=True)

    def table(self):
        lines = [("figure", "measured", "budget", "stretch", "", "")]
        for row in self.rows:
            lines.append((row["name"], f"{number(row['value'])} {row['unit']}", "" if row["budget"] is None else (">= " if row.get("least") else "") + number(row["budget"]),
                          "" if row["stretch"] is None else number(row["stretch"]), row["verdict"], row["note"]))
        widths = [max(len(line[column]) for line in lines) for column in range(6)]
        return "\n".join("  ".join(cell.rjust(width) if column in (1, 2, 3) else cell.ljust(width)
                                   for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)

    def report(self, name, broken):
        """Prints the table, writes target/NAME, and gives the exit status."""
        print(self.table())
        target = os.path.join(ROOT, "target", name)
        with open(target, "w") as file:
            json.dump({"figures": self.rows, "broken": broken}, file, indent=1)
        outside = [row["name"] for row in self.rows if row["verdict"] == "OUTSIDE"]
        print(f"\nas JSON: {target}" + (f"\noutside its budget: {', '.join(outside)}" if outside else ""))
        for line in broken:
            print("could not measure:", line)
        return 1 if broken else 0


def number(value):
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


# === the process, from /proc ===

def memory():
    """PSS and anonymous memory in bytes."""
    with open(f"/proc/{k2d.process.pid}/smaps_rollup") as file:
        found = dict(line.split(":", 1) for line in file if ":" in line and "-" not in line.split(":")[0])
    return tuple(int(found[name].split()[0]) * KIB for name in ("Pss", "Anonymous"))


def tasks(name):
    for task in glob.glob(f"/proc/{k2d.process.pid}/task/*/{name}"):
        try:
            with open(task) as file:
                yield file.read()
        except OSError:
            pass


def activity():
    """Nanoseconds on a CPU, context switches (each the end of a wake-up), bytes given to the disk."""
    cpu = sum(int(text.split()[0]) for text in tasks("schedstat"))
    switches = sum(int(line.split()[1]) for text in tasks("status") for line in text.splitlines() if "ctxt_switches" in line)
    with open(f"/proc/{k2d.process.pid}/io") as file:
        written = next(int(line.split()[1]) for line in file if line.startswith("write_bytes"))
    return cpu, switches, written


def settle():
    """Until the process has been quiet for four seconds, in which it also lets go of what it no longer needs: less than
    5 ms of work in that time."""
    def quiet():
        before = activity()[0]
        time.sleep(4)
        return activity()[0] - before < 5e6
    until(90, quiet, "k2d is quiet")


# === both interfaces ===

class Engine(http.client.HTTPConnection):
    """The engine's API over its socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def ask(connection, method, path, body=None):
    connection.request(method, path, None if body is None else json.dumps(body), {} if body is None else {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    check(answer.status < 300, method, path, answer.status, content[:300])
    return content


def pod(name):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": IMAGE, "command": COMMAND}]}}


def pods_up_to(count):
    connection = k2d.connect(60)
    have = len(json.loads(ask(connection, "GET", PODS))["items"])
    for index in range(have, count):
        ask(connection, "POST", PODS, pod(f"idle-{index}"))
    until(300, lambda: sum(1 for one in k2d.api("GET", PODS)[1]["items"] if any(c["type"] == "Ready" and c["status"] == "True" for c in one["status"].get("conditions", []))) >= count,
          f"{count} pods are ready")
    connection.close()
    settle()


def median_of(times, action):
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent)


# === the measurements ===

def measure_memory():
    until(20, lambda: k2d.api("GET", "/api/v1/nodes")[1]["items"], "the node")
    until(10, lambda: k2d.api("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200, "the default service account")
    settle()
    sizes = {}
    for count in (0, 20, MANY):
        pods_up_to(count)
        sizes[count] = memory()
        budget = {20: ((8, 6), (3, 1.5))}.get(count, ((None, None), (None, None)))
        figures.add(f"PSS idle, {count} pods", sizes[count][0] / MIB, "MiB", *budget[0])
        figures.add(f"anonymous memory idle, {count} pods", sizes[count][1] / MIB, "MiB", *budget[1])
        if count == 20:
            measure_idle()
    figures.add("growth per further pod", (sizes[MANY][0] - sizes[20][0]) / (MANY - 20) / KIB, "KiB", 20, 8, f"PSS, from 20 to {MANY} pods")


def measure_idle():
    seconds = 10 if options.quick else 60
    begin, clock = activity(), time.monotonic()
    time.sleep(seconds)
    end, clock = activity(), time.monotonic() - clock
    figures.add("CPU while idle, 20 pods", (end[0] - begin[0]) / 1e9 / clock * 100, "% of a core", 0.1)
    figures.add("context switches while idle", (end[1] - begin[1]) * 60 / clock, "a minute", None, None, "two a wake-up at the most; stretch: the watchdog's alone")
    figures.add("disk writes while idle", end[2] - begin[2], "bytes", 0, None, f"in {clock:.0f} s")


def measure_watches(count=50):
    version = k2d.api("GET", PODS + "?limit=1")[1]["metadata"]["resourceVersion"]
    before, open_ones = memory()[0], []
    for _ in range(count):
        connection = k2d.connect(30)
        connection.request("GET", f"{PODS}?watch=1&resourceVersion={version}&timeoutSeconds=600")
        open_ones.append((connection, connection.getresponse()))
    settle()
    figures.add("idle watch connection", (memory()[0] - before) / count / KIB, "KiB", 30, 24, f"PSS, mean of {count}, each its own TLS connection")
    for connection, _ in open_ones:
        connection.close()


def measure_list():
    mine, engine = k2d.connect(60), Engine(host.socket)
    read, listed = lambda: ask(mine, "GET", PODS), lambda: ask(engine, "GET", "/containers/json?all=1")
    sizes = len(read()), len(listed())
    own, other = median_of(100, read), median_of(100, listed)
    figures.add(f"GET pods ({MANY})", own * 1000, "ms", None, None, f"{sizes[0] // KIB} KiB")
    figures.add("engine's container list", other * 1000, "ms", None, None, f"{sizes[1] // KIB} KiB")
    figures.add("GET pods / engine's list", own / other, "times", 0.5, 0.2)
    mine.close()
    engine.close()


def measure_run(times=10):
    def apply(name):
        connection, watch = k2d.connect(60), k2d.connect(60)
        version = json.loads(ask(connection, "GET", PODS + "?limit=1"))["metadata"]["resourceVersion"]
        watch.request("GET", f"{PODS}?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3D{name}&timeoutSeconds=60")
        stream = watch.getresponse()
        begin = time.perf_counter()
        ask(connection, "POST", PODS, pod(name))
        while True:
            line = stream.readline()
            check(line, "the watch ended")
            if json.loads(line)["object"].get("status", {}).get("phase") == "Running":
                break
        spent = time.perf_counter() - begin
        ask(connection, "DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")
        connection.close()
        watch.close()
        until(20, lambda: not [one for one in host.containers(every=True) if f".{name}." in one], "the container is gone")
        return spent

    def run(name):
        begin = time.perf_counter()
        host.docker("run", "-d", "--name", name, "--network", "k2d", IMAGE, *COMMAND)
        spent = time.perf_counter() - begin
        host.docker("rm", "-f", name)
        return spent

    apply("warm")
    run("warm-docker")
    # In turns, so that both see the same machine.
    both = [(apply(f"one-{index}"), run(f"docker-{index}")) for index in range(times)]
    own, other = (statistics.median(times) for times in zip(*both))
    figures.add("apply to Running", own * 1000, "ms", None, None, f"one container, median of {times}, request to the watch's event")
    figures.add("docker run -d", other * 1000, "ms", None, None, "the same container on the same network")
    figures.add("apply to Running / docker run", own / other, "times", 1.15, 1.05)


def measure_start(times=5):
    """As systemd does it: the socket listens already, a client's connection starts the process."""
    spent = []
    k2d.stop(signal.SIGTERM)
    for _ in range(times):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 6443))
        listener.listen()
        begin = time.perf_counter()
        with open(k2d.log, "ab") as log:
            # A shell knows its own process id before it becomes k2d, as LISTEN_PID demands.
            k2d.process = subprocess.Popen(["bash", "-c", 'exec 3<&"$1"; shift; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=api exec "$@"', "-", str(listener.fileno()),
                                            K2d.binary(), "serve", "--data-dir", k2d.data, *k2d.flags],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[listener.fileno()],
                                           env={name: value for name, value in os.environ.items() if not name.startswith("K2D_")})
        check(k2d.api("GET", "/api/v1/namespaces/default", timeout=20)[0] == 200, "the first answer")
        spent.append(time.perf_counter() - begin)
        listener.close()
        k2d.stop(signal.SIGTERM)
    figures.add("socket activation to first answer", statistics.median(spent) * 1000, "ms", 100, 40, f"an object over TLS, median of {times}, {MANY} pods in the store")


def measure_sizes():
    figures.add("binary", os.path.getsize(K2d.binary()) / 1e6, "MB", 8, 6)
    packages = sorted(glob.glob(os.path.join(ROOT, "target", "**", "k2d_*.deb"), recursive=True), key=os.path.getmtime)
    if packages:
        figures.add(".deb", os.path.getsize(packages[-1]) / 1e6, "MB", 4, 3, os.path.basename(packages[-1]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    MANY = 30 if options.quick else 100
    host = on_host("k2d-bench")
    k2d = K2d.on(host)
    figures, broken = Figures(), []
    try:
        k2d.start()
        for measurement in (measure_memory, measure_watches, measure_list, measure_run, measure_start, measure_sizes):
            try:
                measurement()
            except Exception as error:
                broken.append(f"{measurement.__name__}: {error}")
                if k2d.process.poll() is not None:
                    broken.append(k2d.tail())
                    break
    finally:
        k2d.stop(signal.SIGKILL)
        keep_log(k2d.log, "bench-k2d.log")
    sys.exit(figures.report("bench.json", broken))
