#!/usr/bin/env python3
"""Measures talking to containers beside Docker's own: the round trip of an exec, the throughput of logs and of cp, and the memory that
k2d takes at the most meanwhile. A table, and JSON in target/bench-streams.json.

  streams.py [--quick]      with a tenth of the bytes
"""
import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from bench import KIB, MIB, Figures
from testbed import ROOT, K2d, check, keep_log, on_host, until
from websocket import WebSocket

POD = "/api/v1/namespaces/default/pods/talk"


class Engine(http.client.HTTPConnection):
    """The engine's API over its socket."""

    def __init__(self):
        super().__init__("engine")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(host.socket)

    def ask(self, method, path, body=None):
        self.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = self.getresponse()
        return json.loads(answer.read() or b"null")


def memory():
    """PSS and anonymous memory."""
    with open(f"/proc/{k2d.process.pid}/smaps_rollup") as file:
        found = dict(line.split(":", 1) for line in file if ":" in line and "-" not in line.split(":")[0])
    return tuple(int(found[name].split()[0]) * KIB for name in ("Pss", "Anonymous"))


class Peak:
    """The most memory within a block. Pages of the program itself that are read from its file are no part of what grows."""

    def __enter__(self):
        time.sleep(1)
        self.pss, self.most = memory()
        self.rest, self.ended = self.most, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.ended.wait(0.02):
            self.pss, self.most = (max(both) for both in zip((self.pss, self.most), memory()))

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def add(self, name):
        figures.add(f"memory more than at rest, {name}", (self.most - self.rest) / MIB, "MiB", budget=8, note=f"PSS at the most {self.pss / MIB:.1f} MiB")


def seconds(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def median_of(times, action):
    return statistics.median(seconds(action) for _ in range(times))


def exec_by_k2d():
    query = urllib.parse.urlencode([("command", "true"), ("stdout", 1), ("stderr", 1)])
    one = WebSocket(k2d, f"{POD}/exec?{query}", "v5.channel.k8s.io")
    while (message := one.receive()) is not None and message[:1] != b"\3":
        pass
    check(message and json.loads(message[1:])["status"] == "Success", message)
    one.close()


def exec_by_engine():
    engine = Engine()
    made = engine.ask("POST", "/containers/default.talk.main/exec", {"Cmd": ["true"], "AttachStdout": True, "AttachStderr": True})["Id"]
    stream = Engine()
    stream.request("POST", f"/exec/{made}/start", json.dumps({"Detach": False}), {"Content-Type": "application/json"})
    stream.getresponse().read()
    check(engine.ask("GET", f"/exec/{made}/json")["ExitCode"] == 0)
    engine.close()
    stream.close()


def drain(connection, path):
    connection.request("GET", path)
    answer, count = connection.getresponse(), 0
    while piece := answer.read(1 << 18):
        count += len(piece)
    connection.close()
    return count


def piped(*command, source=None, sink=subprocess.DEVNULL):
    with open(source, "rb") if source else open(os.devnull, "rb") as stdin:
        done = subprocess.run(command, stdin=stdin, stdout=sink, stderr=subprocess.PIPE)
    check(done.returncode == 0, command, done.stderr)


def measure(size):
    kubectl = [os.path.join(k2d.tools, "kubectl"), "--kubeconfig", k2d.kubeconfig]
    docker = ["docker", "-H", f"unix://{host.socket}"]
    exec_by_k2d(), exec_by_engine()
    ours, theirs = median_of(15, exec_by_k2d), median_of(15, exec_by_engine)
    figures.add("exec of true over the API", ours * 1000, "ms", note="with a TLS handshake")
    figures.add("the same over Docker's socket", theirs * 1000, "ms")
    ours, theirs = (median_of(7, lambda command=command: piped(*command)) for command in ([*kubectl, "exec", "talk", "--", "true"], [*docker, "exec", "default.talk.main", "true"]))
    figures.add("kubectl exec", ours * 1000, "ms")
    figures.add("docker exec", theirs * 1000, "ms")

    with Peak() as peak:
        got = []
        ours = seconds(lambda: got.append(drain(k2d.connect(), f"{POD.replace('talk', 'wordy')}/log")))
    check(got[0] == lines * 100, "bytes of the log:", got)
    theirs = seconds(lambda: drain(Engine(), "/containers/default.wordy.main/logs?stdout=1&stderr=1"))
    figures.add("logs", got[0] / MIB / ours, "MiB/s", note=f"{got[0] / MIB:.0f} MiB; Docker {got[0] / MIB / theirs:.0f} MiB/s")
    peak.add("logs")

    file, back = os.path.join(host.data, "bench-file"), os.path.join(host.data, "bench-back")
    with open(file, "wb") as out:
        out.truncate(size)
    for name, ours, theirs in (
            ("cp into a container", [*kubectl, "cp", file, "talk:/work/file"], [*docker, "cp", file, "default.talk.main:/work/file"]),
            ("cp out of a container", [*kubectl, "cp", "talk:/work/file", back], [*docker, "cp", "default.talk.main:/work/file", back])):
        with Peak() as peak:
            taken = seconds(lambda: piped(*ours))
        own = seconds(lambda: piped(*theirs))
        figures.add(name, size / MIB / taken, "MiB/s", note=f"{size / MIB:.0f} MiB; docker cp {size / MIB / own:.0f} MiB/s")
        peak.add(f"{name}")
    for name in (file, back):
        os.unlink(name)
    # What tar and the client do is left out here.
    for name, words, source in (("bytes into an exec", ["sh", "-c", "cat >/dev/null"], "/dev/zero"), ("bytes out of an exec", ["head", "-c", str(size), "/dev/zero"], None)):
        def through(command):
            if source:
                feeder = subprocess.Popen(["head", "-c", str(size), source], stdout=subprocess.PIPE)
                done = subprocess.run(command, stdin=feeder.stdout, stdout=subprocess.DEVNULL)
                feeder.stdout.close()
                feeder.wait()
                check(done.returncode == 0)
            else:
                piped(*command)
        with Peak() as peak:
            taken = seconds(lambda: through([*kubectl, "exec", "-i", "talk", "--", *words]))
        own = seconds(lambda: through([*docker, "exec", "-i", "default.talk.main", *words]))
        figures.add(name, size / MIB / taken, "MiB/s", note=f"docker exec {size / MIB / own:.0f} MiB/s")
        peak.add(f"{name}")


def pods():
    def pod(name, script):
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 0, "volumes": [{"name": "work", "emptyDir": {}}], "containers": [
            {"name": "main", "image": "busybox:1.37", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script], "volumeMounts": [{"name": "work", "mountPath": "/work"}]}]}}
    until(20, lambda: k2d.get("serviceaccount", "default"), "the default service account")
    word = "x" * 99
    k2d.kubectl("apply", "-f", "-", text="\n---\n".join(json.dumps(one) for one in (pod("talk", "sleep 100000"), pod("wordy", f"yes {word} | head -n {lines}; touch /work/done; sleep 100000"))))
    until(60, lambda: k2d.get("pod", "talk")["status"]["phase"] == "Running", "the pod runs")
    until(600, lambda: k2d.kubectl("exec", "wordy", "--", "ls", "/work/done", ok=False)[0] == 0, "the log is written")


def main():
    global host, k2d, figures, lines
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true")
    quick = arguments.parse_args().quick
    host = on_host(os.environ.get("STREAMS_HOST", "k2d-bench-streams"))
    k2d, figures, lines = K2d.on(host), Figures(), 100_000 if quick else 1_000_000
    try:
        k2d.start()
        pods()
        measure((100 if quick else 1024) * MIB)
    finally:
        keep_log(k2d.log, "bench-streams-k2d.log")
        k2d.stop()
    print(figures.table())
    os.makedirs(os.path.join(ROOT, "target"), exist_ok=True)
    with open(os.path.join(ROOT, "target", "bench-streams.json"), "w") as file:
        json.dump(figures.rows, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
