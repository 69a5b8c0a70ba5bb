#!/usr/bin/env python3
"""The Debian package on a booted systemd: installed by apt, reached through the socket unit, restarted, upgraded and
killed while a pod serves, and purged clean.

  package.py [--deb FILE] [--until WORD] [--keep]     default: the newest .deb below target/
"""
import argparse
import glob
import json
import os
import shutil
import stat
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from testbed import HERE, ROOT, Steps, check, on_host, run, tools, until

GUEST = os.path.join(HERE, "guest.sh")
steps = Steps()


def inside(*command, ok=True, timeout=90, text=None):
    """What a command printed in the guest; with ok=False its exit status too."""
    status, output = run(GUEST, host.name, "exec", *command, ok=ok, timeout=timeout, text=text)
    return output if ok else (status, output)


def of_guest(path):
    """Where a path of the guest lies for this script."""
    return os.path.join(host.data, "guest", path.lstrip("/"))


def kubectl(*words, ok=True, timeout=60, text=None):
    status, output = run(os.path.join(clients, "kubectl"), "--kubeconfig", of_guest("/var/lib/k2d/admin.kubeconfig"), "--server", "https://127.0.0.1:6443",
                         *words, ok=ok, timeout=timeout, text=text)
    return output if ok else (status, output)


def unit(name, what):
    return inside("systemctl", "show", name, "--value", "-p", what).strip()


def answers():
    return run("curl", "-sk", "--max-time", "10", "https://127.0.0.1:6443/readyz", ok=False)[1] == "ok"


class Meanwhile:
    """Asks the pod and the API, over and over, while something else is done; notes every failure."""

    def __init__(self, page):
        self.page, self.failures, self.asked, self.done = page, [], 0, threading.Event()

    def watch(self, what, ask):
        while not self.done.is_set():
            try:
                ask()
                self.asked += 1
            except Exception as error:
                self.failures.append(f"{what}: {error}")
            time.sleep(0.05)

    def __enter__(self):
        def api():
            status, output = run("curl", "-sk", "--max-time", "20", "https://127.0.0.1:6443/readyz", ok=False)
            check(status == 0, "curl ended with", status, output)
        self.threads = [threading.Thread(target=self.watch, args=("the pod", lambda: urllib.request.urlopen(self.page, timeout=5).read())),
                        threading.Thread(target=self.watch, args=("the API", api))]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()


state = {}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [
    {"name": "web", "image": "busybox:1.37", "command": ["sh", "-c", "mkdir /www; echo here >/www/index.html; trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait"],
     "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}]}}


def unharmed():
    """The pod's container is the one that was started first, and serves."""
    check("page" in state, "there is no pod that serves")
    container = host.inspect("default.web.web")
    check(container["Id"] == state["id"] and container["State"]["StartedAt"] == state["started"], "the container was replaced or restarted")
    check(urllib.request.urlopen(state["page"], timeout=5).read().strip() == b"here", "the page")


def replaced(action, seconds=60):
    """Does something to the service while the pod serves and clients ask; nobody may notice."""
    check("page" in state, "there is no pod that serves")
    with Meanwhile(state["page"]) as meanwhile:
        time.sleep(0.3)
        action()
        until(seconds, answers, "the API answers")
        time.sleep(0.5)
    check(not meanwhile.failures, f"{len(meanwhile.failures)} of {meanwhile.asked} requests failed, first: {meanwhile.failures[:3]}")
    unharmed()
    return f"{meanwhile.asked} requests meanwhile"


@steps("the guest boots with systemd as process 1", vital=True)
def _():
    run(GUEST, host.name, "up", timeout=600)
    check(inside("cat", "/proc/1/comm").strip() == "systemd", "process 1")
    state["units"] = inside("systemctl", "--failed", "--no-legend", "--plain")


@steps("apt installs the package", vital=True)
def _():
    shutil.copy(deb, of_guest("/root/k2d.deb"))
    inside("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends", "/root/k2d.deb", timeout=180)
    check(inside("dpkg-query", "-W", "-f", "${Status}", "k2d") == "install ok installed", "its status")
    check(inside("systemctl", "is-enabled", "k2d.socket", "k2d.service").split() == ["enabled", "enabled"], "socket and service are enabled")
    check(unit("k2d.socket", "ActiveState") == "active", "the socket listens after the installation")
    check("k2d(8)" in inside("man", "-P", "cat", "8", "k2d") or "K2D(8)" in inside("man", "-P", "cat", "8", "k2d"), "the man page")


@steps("the first request through the socket starts the service", vital=True)
def _():
    inside("systemctl", "stop", "k2d.service")
    check(unit("k2d.socket", "ActiveState") == "active", "the socket outlives the service")
    begin = time.monotonic()
    check(answers(), "the first answer:", inside("journalctl", "-u", "k2d", "-n", "15", "--no-pager", "-o", "cat"))
    took = time.monotonic() - begin
    check(unit("k2d.service", "ActiveState") == "active", "the service")
    check(unit("k2d.service", "Type") == "notify" and unit("k2d.service", "StatusText"), "it tells systemd how it is")
    check(unit("k2d.service", "WatchdogUSec") not in ("0", "infinity"), "the watchdog")
    return f"{took * 1000:.0f} ms to the first answer, status {unit('k2d.service', 'StatusText')!r}"


@steps("kubectl reaches the node, and files with secrets are closed")
def _():
    check(stat.S_IMODE(os.stat(of_guest("/var/lib/k2d/admin.kubeconfig")).st_mode) == 0o600, "mode of admin.kubeconfig")
    check(stat.S_IMODE(os.stat(of_guest("/var/lib/k2d")).st_mode) == 0o700, "mode of /var/lib/k2d")
    for folder, _, names in os.walk(of_guest("/var/lib/k2d/pki")):
        check(stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder)
        for name in names:
            check(not name.endswith(".key") or stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name)
    until(20, lambda: any(c["type"] == "Ready" and c["status"] == "True" for c in json.loads(kubectl("get", "node", "-o", "json"))["items"][0]["status"]["conditions"]), "the node is ready")


@steps("a pod serves")
def _():
    until(10, lambda: kubectl("get", "serviceaccount", "default", ok=False)[0] == 0, "the default service account")
    kubectl("apply", "-f", "-", text=json.dumps(POD))
    kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=40s")
    container = host.inspect("default.web.web")
    state.update(id=container["Id"], started=container["State"]["StartedAt"])
    address = json.loads(kubectl("get", "pod", "web", "-o", "json"))["status"]["podIP"]
    state["page"] = f"http://{address}:8080/"
    until(5, lambda: urllib.request.urlopen(state["page"], timeout=5).read().strip() == b"here", "the page")


@steps("a restart of the service is not noticed")
def _():
    return replaced(lambda: inside("systemctl", "restart", "k2d.service"))


@steps("systemd starts it again after kill -9")
def _():
    before = unit("k2d.service", "MainPID")
    def kill():
        inside("systemctl", "kill", "-s", "KILL", "k2d.service")
        until(20, lambda: unit("k2d.service", "MainPID") not in ("0", before), "a new process")
    return replaced(kill)


@steps("an upgrade is not noticed")
def _():
    return replaced(lambda: inside("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends", "--reinstall", "/root/k2d.deb", timeout=180), 30)


@steps("the machine is switched off and on: the pod serves before k2d is up")
def _():
    """Nothing ends in order: the engine, its containers and the guest are killed, and what a boot makes anew is gone."""
    check("page" in state, "there is no pod that serves")
    run(GUEST, host.name, "power-cut")
    host.do("power-cut")
    host.do("docker-start")
    until(30, lambda: urllib.request.urlopen(state["page"], timeout=2).read().strip() == b"here", "the page without k2d")
    check(not answers(), "k2d answers, and so shows nothing of the engine alone")
    run(GUEST, host.name, "up", timeout=600)
    until(60, answers, "the API answers after the boot")
    pod = until(30, lambda: (lambda pod: pod if pod["status"]["containerStatuses"][0]["ready"] else None)(json.loads(kubectl("get", "pod", "web", "-o", "json"))), "the pod is ready")
    container = host.inspect("default.web.web")
    check(container["Id"] == state["id"] and pod["status"]["containerStatuses"][0]["containerID"] == f"docker://{state['id']}", "the container was replaced")
    check(state["page"] == f"http://{pod['status']['podIP']}:8080/" and pod["status"]["phase"] == "Running", pod["status"])
    state["started"] = container["State"]["StartedAt"]
    unharmed()


@steps("the journal holds structured entries and no secret")
def _():
    kubectl("create", "secret", "generic", "quiet", "--from-literal=word=not-for-the-journal")
    kubectl("delete", "secret", "quiet")
    entries = [json.loads(line) for line in inside("journalctl", "-u", "k2d", "-o", "json", "--no-pager").splitlines()]
    check(entries, "no entry")
    check(any(name.startswith("K2D_") for entry in entries for name in entry), "no field K2D_...")
    check("not-for-the-journal" not in json.dumps(entries), "a secret stands in the journal")


@steps("a mistake in the configuration stops the start and is named")
def _():
    with open(of_guest("/etc/k2d/k2d.toml"), "a") as file:
        file.write("\nno-such-key = 1\n")
    try:
        inside("systemctl", "restart", "k2d.service", ok=False)
        until(10, lambda: unit("k2d.service", "ExecMainStatus") == "64", "exit status 64")
        said = inside("journalctl", "-u", "k2d", "-n", "20", "--no-pager", "-o", "cat")
        check("no-such-key" in said and "k2d.toml" in said, said)
    finally:
        path = of_guest("/etc/k2d/k2d.toml")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace("\nno-such-key = 1\n", ""))
        inside("systemctl", "reset-failed", "k2d.service", "k2d.socket", ok=False)
        inside("systemctl", "start", "k2d.socket", "k2d.service")
    until(20, answers, "the API answers again")
    unharmed()


@steps("no unit has failed")
def _():
    check(inside("systemctl", "--failed", "--no-legend", "--plain") == state["units"], inside("systemctl", "--failed", "--no-legend"))


@steps("purged, nothing is left")
def _():
    kubectl("delete", "pod", "web", "--timeout=30s", "--ignore-not-found", ok=False)
    inside("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "purge", "-y", "k2d", timeout=120)
    check(inside("dpkg-query", "-W", "-f", "${Status}", "k2d", ok=False)[0] != 0, "dpkg still knows it")
    left = [path for pattern in ("/etc/k2d*", "/var/lib/k2d/*", "/usr/bin/k2d", "/run/k2d*", "/etc/systemd/system/*/k2d*", "/lib/systemd/system/k2d*", "/var/log/k2d*")
            for path in glob.glob(of_guest(pattern))]
    check(not left, "files:", left)
    check(inside("systemctl", "list-units", "--all", "--no-legend", "k2d*").strip() == "", "units")
    check(run("curl", "-sk", "--max-time", "3", "https://127.0.0.1:6443/readyz", ok=False)[0] == 7, "the port is still open")
    check("k2d" not in run("nft", "list", "tables")[1], "firewall tables:", run("nft", "list", "tables")[1])
    check(not host.containers(every=True), "containers:", host.containers(every=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deb")
    parser.add_argument("--until")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    built = sorted((path for path in glob.glob(os.path.join(ROOT, "target", "**", "k2d_*.deb"), recursive=True)), key=os.path.getmtime)
    deb = options.deb or (built[-1] if built else None)
    if not deb:
        sys.exit("no .deb below target/: run make deb first, or name one with --deb")
    clients = tools("37")
    host = on_host("k2d-system", keep=options.keep)
    try:
        steps.play(options.until)
    finally:
        if not options.keep:
            run(GUEST, host.name, "down", ok=False, timeout=60)
    sys.exit(steps.summary())
