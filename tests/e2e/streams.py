#!/usr/bin/env python3
"""Talking to a container on real Docker: logs, exec, attach, cp, run, port-forward, proxy, top and debug, with kubectl 1.37 over
WebSockets and over SPDY and with kubectl 1.30.

  streams.py                    all steps
  streams.py --only WORD...     the vital steps and those whose name holds one of the words
  streams.py --list             the names of the steps
  streams.py --keep             leave k2d and the test host as they are at the end (host.sh k2d-streams down removes both)
"""
import argparse
import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from testbed import Failed, K2d, Steps, check, keep_log, on_host, tools, until
from frames import WebSocket

NAME = os.environ.get("STREAMS_HOST", "k2d-streams")
steps = Steps()


class Client:
    """A kubectl of some release that speaks one way."""

    def __init__(self, release, websockets):
        self.name = f"kubectl 1.{release} over {'WebSockets' if websockets else 'SPDY'}"
        self.program = os.path.join(tools(release), "kubectl")
        flag = "true" if websockets else "false"
        self.env = {**os.environ, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": flag, "KUBECTL_PORT_FORWARD_WEBSOCKETS": flag}

    def words(self, *words):
        return [self.program, "--kubeconfig", k2d.kubeconfig, *words]

    def start(self, *words, **options):
        return subprocess.Popen(self.words(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, **options)

    def run(self, *words, data=b"", timeout=60):
        """Exit code, stdout and stderr; no input is the end of input."""
        try:
            done = subprocess.run(self.words(*words), input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{self.name}: no end after {timeout} s: {' '.join(words)}: {late.output!r} {late.stderr!r}") from None
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def well(self, *words, **options):
        code, out, err = self.run(*words, **options)
        check(code == 0, f"{self.name}: {' '.join(words)}: exit {code}:", err, out[-300:])
        return out

    def on_terminal(self, line, rows=33, columns=101, timeout=60, data=b""):
        """What a person sees who types a command line for this kubectl into a terminal."""
        whole = f"stty rows {rows} cols {columns} -echo; exec {self.program} --kubeconfig {k2d.kubeconfig} {line}"
        done = subprocess.run(["script", "-qec", whole, "/dev/null"], input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**self.env, "TERM": "xterm"}, timeout=timeout)
        return done.returncode, done.stdout.decode(errors="replace").replace("\r\n", "\n")


clients = [Client("37", True), Client("37", False), Client("30", False)]


def each(name):
    """A step for each client."""
    def keep(function):
        for client in clients:
            steps(f"{name}: {client.name}")(lambda client=client: function(client))
        return function
    return keep


def pod(name, *containers, namespace="default", **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": list(containers), **spec}}


def container(name, script=None, image="busybox:1.37", **more):
    made = {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", **more}
    return {**made, "command": ["sh", "-c", script]} if script else made


def apply(*objects):
    k2d.kubectl("apply", "-f", "-", text="\n---\n".join(json.dumps(one) for one in objects))


def running(name, namespace="default", seconds=30):
    def ask():
        status = k2d.get("-n", namespace, "pod", name)["status"]
        return status["phase"] == "Running" and all("running" in one["state"] for one in status["containerStatuses"])
    until(seconds, ask, f"pod {name} runs")


def status_of(name, container, kind="containerStatuses"):
    return [one for one in k2d.get("pod", name)["status"].get(kind, []) if one["name"] == container][0]


def remove(*names):
    k2d.kubectl("delete", "pod", *names, "--grace-period=0", "--force", "--ignore-not-found")


def port_forward(client, target, port):
    """A port-forward that listens, and its local port."""
    process = client.start("port-forward", target, f":{port}")
    line = process.stdout.readline().decode()
    found = re.search(r"127\.0\.0\.1:(\d+) ->", line)
    if not found:
        process.kill()
        raise Failed("port-forward says", line, process.stderr.read().decode())
    return process, int(found[1])


def end(process):
    process.terminate()
    try:
        return process.communicate(timeout=10)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failed("kubectl does not end") from None


def talk(port, data, timeout=10):
    """Sends, says that this is all, and reads to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        sending = threading.Thread(target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
        sending.start()
        got = bytearray()
        while piece := connection.recv(1 << 16):
            got += piece
        sending.join()
    return bytes(got)


def raw(path, method="GET", body=None, headers=None, **more):
    """One request as the administrator: status, headers and body."""
    connection = k2d.connect(30)
    try:
        connection.request(method, path, body, headers or {}, **more)
        answer = connection.getresponse()
        return answer.status, answer, answer.read()
    finally:
        connection.close()


# === the pods that are talked to ===

ECHO = """
import socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.request_queue_size = 128
server = socketserver.ThreadingTCPServer(("127.0.0.1", 7000), Echo)
server.serve_forever()
"""

WEB = """
import base64, hashlib, http.server, json, sys
class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        path = self.path.split("?")[0]
        if self.headers.get("Upgrade", "").lower() == "websocket" and path == "/ws":
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
            self.end_headers()
            self.wfile.flush()
            while data := self.connection.recv(100):
                self.connection.sendall(data.upper())
            self.close_connection = True
            return
        code, kind, more = 200, "application/json", {}
        told = json.dumps({"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                           "length": len(body), "body": body[:100].decode("latin1")}).encode()
        if path == "/html":
            kind = "text/html; charset=utf-8"
            told = b'<html><a href="/x/y">a</a><img src=rel.png><a href="http://other.example/z">o</a><script>"</a href=/no>"</script></html>'
        elif path == "/redirect":
            code, told, more = 302, b"", {"Location": "/target/"}
        elif path == "/teapot":
            code, more = 418, {"X-Own": "kept", "Access-Control-Allow-Origin": "*"}
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(told)))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8080), Web).serve_forever()
"""


@steps("the pods that are talked to run", vital=True)
def _():
    k2d.start()
    until(10, lambda: k2d.get("serviceaccount", "default"), "the default service account")
    lines = "i=0; while [ $i -lt 10 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; "
    sleep = "trap exit TERM; while :; do sleep 1 & wait; done"
    apply(pod("shell", container("main", lines + sleep)),
          pod("two", container("one", "echo one; " + sleep), container("other", "echo other; " + sleep),
              initContainers=[container("before", "echo before")]),
          pod("echo", container("main", image="python:3-alpine", command=["python3", "-c", ECHO])),
          pod("web", container("main", image="python:3-alpine", command=["python3", "-c", WEB],
                               ports=[{"name": "web", "containerPort": 8080}], readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1})),
          {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
           "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "none", "port": 81, "targetPort": 9}]}})
    for name in ("shell", "two", "echo", "web"):
        running(name)


# === logs ===

@each("logs are cut as asked for")
def _(client):
    text = client.well("logs", "shell").decode()
    check(sorted(text.split("\n"))[1:] == sorted([f"err {i}" for i in range(10)] + [f"out {i}" for i in range(10)]), text)
    check(client.well("logs", "shell", "--tail=3").count(b"\n") == 3)
    check(client.well("logs", "shell", "--tail=0") == b"")
    check(len(client.well("logs", "shell", "--limit-bytes=17")) == 17)
    stamped = client.well("logs", "shell", "--timestamps", "--tail=1").decode()
    check(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (out|err) 9\n$", stamped), stamped)
    check(client.well("logs", "shell", "--since-time=2199-01-01T00:00:00Z") == b"")
    check(client.well("logs", "shell", "--since=1h").count(b"\n") == 20)
    text = client.well("logs", "two", "--all-containers", "--prefix").decode()
    check(sorted(text.splitlines()) == ["[pod/two/before] before", "[pod/two/one] one", "[pod/two/other] other"], text)
    text = client.well("logs", "two", "-c", "before").decode()
    check(text == "before\n", text)
    code, _, err = client.run("logs", "shell", "-p")
    check(code and 'previous terminated container "main" in pod "shell" not found' in err, err)


@steps("one stream of a log")
def _():
    for stream, word in (("Stdout", b"out"), ("Stderr", b"err")):
        code, _, body = raw(f"/api/v1/namespaces/default/pods/shell/log?stream={stream}")
        check(code == 200 and len(body.splitlines()) == 10 and all(line.startswith(word) for line in body.splitlines()), code, body)


@steps("logs of a container that restarts, now and before")
def _():
    apply(pod("crash", container("main", 'n=$(cat /n/n || echo 0); echo $((n+1)) >/n/n; for i in a b c; do echo run $n $i; done; sleep 4; exit 3',
                                 volumeMounts=[{"name": "n", "mountPath": "/n"}]), volumes=[{"name": "n", "emptyDir": {}}]))
    def twice():
        status = status_of("crash", "main")
        return status["restartCount"] >= 2 and "running" in status["state"]
    until(60, twice, "it restarts")
    def both():
        before = status_of("crash", "main")["restartCount"]
        now, last, short = (client.well("logs", "crash", *words).decode() for words in ((), ("-p",), ("-p", "--tail=1")))
        if status_of("crash", "main")["restartCount"] != before:
            return False
        if "running" not in status_of("crash", "main")["state"]:
            return False
        numbers = [{int(line.split()[1]) for line in text.splitlines()} for text in (now, last)]
        return (before, numbers, short, now, last)
    client = clients[0]
    count, numbers, short, now, last = until(30, both, "logs between two restarts")
    check(numbers == [{count}, {count - 1}], count, numbers, now, last)
    check(short == f"run {count - 1} c\n", short)
    def waiting():
        before = status_of("crash", "main")
        texts = client.well("logs", "crash", "-p").decode(), client.well("logs", "crash").decode()
        return "waiting" in before["state"] and status_of("crash", "main") == before and (before["restartCount"], *texts)
    count, one, other = until(60, waiting, "it waits for its next run")
    check(one == other and {int(line.split()[1]) for line in one.splitlines()} == {count}, one, other)
    remove("crash")


@steps("a log that is followed ends with its run, and with its pod")
def _():
    client = clients[0]
    apply(pod("steady", container("main", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done")), pod("short", container("main", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done"), restartPolicy="Never"))
    running("steady")
    check(client.well("logs", "-f", "short", "--pod-running-timeout=20s") == b"1\n2\n3\n4\n5\n6\n")
    following = client.start("logs", "-f", "steady")
    for wanted in range(5):
        check(following.stdout.readline() == b"%d\n" % wanted)
    remove("steady")
    out, err = following.communicate(timeout=15)
    check(following.returncode == 0, following.returncode, err)
    remove("short")


@steps("a container that waits says what for")
def _():
    client = clients[0]
    apply(pod("noimage", container("main", "true", image="127.0.0.1:1/none:1")), pod("noconfig", container("main", "true", envFrom=[{"configMapRef": {"name": "nothere"}}])),
          pod("initial", container("main", "echo main"), initContainers=[container("slow", "echo slow; sleep 60")]))
    def says(name, *words):
        code, _, err = client.run("logs", name, *words)
        return err.strip() if code else None
    def waits(name, *reasons):
        return until(20, lambda: (said := says(name, "-c", "main")) and any(f'container "main" in pod "{name}" is waiting to start: {reason}' in said for reason in reasons) and said, f"{name} waits: {says(name)}")
    waits("noimage", "image can't be pulled", "trying and failing to pull image")
    waits("noconfig", "CreateContainerConfigError")
    waits("initial", "PodInitializing")
    check(until(10, lambda: client.well("logs", "initial", "-c", "slow"), "the init container's log") == b"slow\n")
    remove("noimage", "noconfig", "initial")


@steps("logs of every driver that can be read, and a clear word of one that cannot")
def _():
    client = clients[0]
    for driver in ("json-file", "local", "none"):
        host.docker("run", "-d", "--name", f"driver-{driver}", f"--log-driver={driver}", "busybox:1.37", "sh", "-c", "echo hello; sleep 600")
    for driver in ("json-file", "local"):
        until(10, lambda: client.well("-n", "docker", "logs", f"driver-{driver}") == b"hello\n", driver)
    code, _, err = client.run("-n", "docker", "logs", "driver-none")
    check(code == 1 and "does not support reading" in err and '"none"' in err, code, err)
    host.docker("rm", "-f", "driver-json-file", "driver-local", "driver-none")


# === exec, attach, run, cp ===

@each("exec tells outputs, input and exit code apart")
def _(client):
    code, out, err = client.run("exec", "shell", "--", "sh", "-c", "echo out; echo err >&2; exit 37")
    check((code, out) == (37, b"out\n") and err.startswith("err\n"), code, out, err)
    data = bytes(range(256)) * 20000
    check(client.well("exec", "-i", "shell", "--", "cat", data=data) == data, "5 MB came back otherwise")
    check(client.well("exec", "-i", "shell", "--", "sh", "-c", "wc -c; echo done", data=b"12345").split() == [b"5", b"done"], "half-close of stdin")
    check(client.well("exec", "-i", "shell", "--", "head", "-c", "3", data=b"x" * 1000000) == b"xxx", "an early end")
    code, out, err = client.run("exec", "shell", "--", "/no/such/program")
    check(code != 0 and "/no/such/program" in err, code, out, err)
    code, _, err = client.run("exec", "shell", "-c", "nobody", "--", "true")
    check(code == 1 and "container nobody" in err, code, err)
    code, _, err = client.run("exec", "shell", "--", "sh", "-c", "kill -9 $$")
    check(code == 137, code, err)


@each("a terminal has the size of the client's")
def _(client):
    code, text = client.on_terminal("exec -it shell -- sh -c 'sleep 0.3; stty size'")
    check(code == 0 and "33 101" in text, code, text)


@steps("a terminal is resized while it is used")
def _():
    import fcntl, pty, struct, termios, signal
    for client in clients:
        pid, master = pty.fork()
        if pid == 0:
            os.execve(client.program, client.words("exec", "-it", "shell", "--", "sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"), {**client.env, "TERM": "xterm"})
        seen = b""
        try:
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 70, 0, 0))
            end_at, wanted = time.monotonic() + 20, [b"ready", b"41 123"]
            while wanted and time.monotonic() < end_at:
                seen += os.read(master, 4096)
                if wanted[0] in seen:
                    wanted.pop(0)
                    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 123, 0, 0))
            check(not wanted, client.name, seen)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(master)


@steps("exec into what does not run is refused with a reason")
def _():
    client = clients[0]
    apply(pod("done", container("main", "exit 0"), restartPolicy="Never"))
    until(20, lambda: k2d.get("pod", "done")["status"]["phase"] == "Succeeded", "it ends")
    code, _, err = client.run("exec", "done", "--", "true")
    check(code == 1 and "cannot exec into a container in a completed pod; current phase is Succeeded" in err, code, err)
    host.docker("stop", "-t", "0", "default.two.other")
    code, _, err = client.run("exec", "two", "-c", "other", "--", "true")
    check(code == 1 and 'container not found ("other")' in err, code, err)
    host.docker("start", "default.two.other")
    host.docker("pause", "default.two.one")
    code, _, err = client.run("exec", "two", "-c", "one", "--", "true", timeout=20)
    check(code == 1 and "paused" in err, code, err)
    host.docker("unpause", "default.two.one")
    running("two")
    remove("done")


@steps("fifty at once")
def _():
    query = urllib.parse.urlencode([("command", "cat"), ("stdin", 1), ("stdout", 1), ("stderr", 1), ("container", "main")])
    sockets = [WebSocket(k2d, f"/api/v1/namespaces/default/pods/shell/exec?{query}", "v5.channel.k8s.io") for _ in range(50)]
    def line(of):
        while (message := of.receive()) is not None:
            if len(message) > 1:
                return message
    for number, one in enumerate(sockets):
        one.send(b"\0%d\n" % number)
    # All of them are open now.
    for number, one in enumerate(sockets):
        check((got := line(one)) == b"\1%d\n" % number, number, got)
    for one in sockets:
        one.send(b"\xff\0")
    for one in sockets:
        check((got := line(one)) is not None and got[0] == 3 and json.loads(got[1:])["status"] == "Success", got)
        one.close()


@each("files are copied both ways")
def _(client):
    work = os.path.join(host.data, "copies")
    os.makedirs(work, exist_ok=True)
    data = os.urandom(30_000_000)
    there, back = os.path.join(work, "there"), os.path.join(work, "back")
    with open(there, "wb") as file:
        file.write(data)
    client.well("cp", there, "shell:/tmp/there", timeout=120)
    check(client.well("exec", "shell", "--", "sha256sum", "/tmp/there").split()[0].decode() == hashlib.sha256(data).hexdigest())
    client.well("cp", "shell:/tmp/there", back, timeout=120)
    with open(back, "rb") as file:
        check(file.read() == data)
    for name in (there, back):
        os.unlink(name)


@each("attach and run -it --rm")
def _(client):
    apply(pod("cat", container("main", "cat; echo bye", stdin=True, stdinOnce=True), restartPolicy="Never"))
    running("cat")
    check(client.well("attach", "-i", "cat", data=b"hello\n") == b"hello\nbye\n")
    until(10, lambda: k2d.get("pod", "cat")["status"]["phase"] == "Succeeded", "its input ends")
    remove("cat")
    code, out, err = client.run("run", "-i", "--rm", "--restart=Never", "--image=busybox:1.37", "--image-pull-policy=IfNotPresent", "quick", "--", "sh", "-c", "cat; echo end; exit 0", data=b"some\n")
    check(code == 0 and b"some\nend\n" in out and b'pod "quick" deleted' in out, code, out, err)
    code, text = client.on_terminal("run -it --rm --restart=Never --image=busybox:1.37 --image-pull-policy=IfNotPresent quick2 -- sh -c 'read x; sleep 0.5; stty size; echo got $x; exit 5'", data=b"word\n")
    check("33 101" in text and "got word" in text and 'pod "quick2" deleted' in text and code == 5, code, text)
    code, _, err = k2d_get_none("quick2")
    check(code, "quick2 is still there")


def k2d_get_none(name):
    return clients[0].run("get", "pod", name)


# === port-forward ===

@each("ports are forwarded to a server on the pod's loopback")
def _(client):
    process, port = port_forward(client, "pod/echo", 7000)
    data = os.urandom(3_000_000)
    results = {}
    threads = [threading.Thread(target=lambda i=i: results.update({i: talk(port, data) == data})) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(results == {i: True for i in range(8)}, results)
    end(process)
    process, port = port_forward(client, "pod/echo", 9)
    check(talk(port, b"") == b"")
    time.sleep(0.3)
    said = end(process)
    check("error forwarding port 9 to pod echo, uid" in said and "connection refused" in said, said)
    process, port = port_forward(client, "service/web", 80)
    check(b"200 OK" in talk(port, b"GET / HTTP/1.0\r\n\r\n"))
    end(process)


# === proxy ===

@steps("requests are handed on to pods and services, whatever they are")
def _():
    until(20, lambda: raw("/api/v1/namespaces/default/services/web:http/proxy/")[0] == 200, "an endpoint")
    for base in ("pods/web", "pods/web:8080", "pods/http:web:8080", "services/web:http", "services/web:80", "services/http:web:80"):
        place = f"/api/v1/namespaces/default/{base}/proxy"
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            body = b"some body" if method in ("POST", "PUT", "PATCH") else None
            code, answer, got = raw(f"{place}/a%20b/c/?x=1&y=%2F", method, body, {"Authorization": "Basic eDp5", "X-Own": "kept", "Cookie": "a=b", "Connection": "x-drop", "X-Drop": "1"} if method == "GET" else {})
            check(code == 200, method, base, code, got)
            told = json.loads(got)
            check(told["method"] == method and told["path"] == "/a%20b/c/?x=1&y=%2F", told)
            check(told["length"] == len(body or b""), told)
            head = told["headers"]
            check(head["x-forwarded-uri"] == f"{place}/a%20b/c/" and head["x-forwarded-for"] == "127.0.0.1" and head["host"].startswith("127.0.0.1:"), head)
            if method == "GET":
                check("authorization" not in head and "x-drop" not in head and head["x-own"] == "kept" and head["cookie"] == "a=b", head)
    place = "/api/v1/namespaces/default/services/web:http/proxy"
    code, answer, _ = raw(f"{place}?q=1")
    check(code == 301 and answer.getheader("Location") == f"{place}/?q=1", code, answer.getheader("Location"))
    code, answer, got = raw(f"{place}/x", "HEAD")
    check(code == 200 and got == b"" and int(answer.getheader("Content-Length")) > 10, code, got)
    code, answer, _ = raw(f"{place}/teapot")
    check(code == 418 and answer.getheader("X-Own") == "kept" and answer.getheader("Access-Control-Allow-Origin") is None, code)
    code, answer, _ = raw(f"{place}/redirect")
    check(code == 302 and answer.getheader("Location") == f"{place}/target/", answer.getheader("Location"))
    code, answer, got = raw(f"{place}/html")
    check(got.decode() == f'<html><a href="{place}/x/y">a</a><img src=rel.png><a href="http://other.example/z">o</a><script>"</a href=/no>"</script></html>', got)
    big = os.urandom(5_000_000)
    code, _, got = raw(f"{place}/", "POST", big)
    check(code == 200 and json.loads(got)["length"] == len(big), code, got[:200])
    code, _, got = raw(f"{place}/", "POST", iter([b"a" * 100000] * 10), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    check(code == 200 and json.loads(got)["length"] == 1000000, code, got[:200])
    one = WebSocket(k2d, f"{place}/ws")
    one.socket.sendall(b"hello")
    check(one.reader.read(5) == b"HELLO")
    one.close()
    check("method" in k2d.kubectl("get", "--raw", f"{place}/raw"))


@steps("a server that is not there is told as upstream tells it")
def _():
    ip = k2d.get("pod", "web")["status"]["podIP"]
    apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "nobody"}, "spec": {"selector": {"app": "nobody"}, "ports": [{"port": 80}]}})
    for place, code, told in (
            ("pods/web:9", 503, f"error trying to reach service: dial tcp {ip}:9: connect: connection refused"),
            ("services/web:none", 503, f"error trying to reach service: dial tcp {ip}:9: connect: connection refused"),
            ("services/web:99", 503, 'no service port 99 found for service "web"'),
            ("services/nobody", 503, 'no endpoints available for service "nobody"'),
            ("services/none", 404, 'services "none" not found'),
            ("pods/none:80", 404, 'pods "none" not found'),
            ("pods/ftp:web:80", 400, 'invalid pod request "ftp:web:80"'),
            ("services/a:b:c:d", 400, 'invalid service request "a:b:c:d"')):
        got, _, body = raw(f"/api/v1/namespaces/default/{place}/proxy/x")
        check(got == code and json.loads(body)["message"] == told, place, got, body)


# === top ===

@each("top shows what pods and the node use")
def _(client):
    apply(pod("busy", container("main", "while :; do :; done", resources={"limits": {"cpu": "200m"}}), container("calm", "sleep 1000")))
    running("busy")
    def top(*words):
        return [line.split() for line in client.well("top", *words, "--no-headers").decode().splitlines()]
    lines = until(20, lambda: (got := top("pod", "busy")) and int(got[0][1].rstrip("m")) > 100 and got, "the busy pod is seen")
    check(100 < int(lines[0][1].rstrip("m")) < 260 and lines[0][2].endswith("Mi"), lines)
    lines = {line[1]: line for line in top("pod", "busy", "--containers")}
    check(set(lines) == {"main", "calm"} and int(lines["main"][2].rstrip("m")) > 100 and int(lines["calm"][2].rstrip("m")) < 20, lines)
    check([line[0] for line in top("pod", "-l", "app=web")] == ["web"])
    names = {line[0] for line in top("pod")}
    check({"busy", "web", "shell", "two"} <= names, names)
    check(int([line for line in top("pod", "web")][0][2].rstrip("Mi")) >= 5)
    node = top("node")
    check(len(node) == 1 and int(node[0][1].rstrip("m")) > 100 and int(node[0][3].rstrip("Mi")) > 50, node)
    remove("busy")


@steps("measures have true times, and nothing is measured for what does not run")
def _():
    def asked():
        code, _, body = raw("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/web")
        check(code == 200, code, body)
        return json.loads(body)
    first = asked()
    time.sleep(3)
    second = asked()
    check(second["kind"] == "PodMetrics" and second["apiVersion"] == "metrics.k8s.io/v1beta1" and second["metadata"]["labels"] == {"app": "web"}, second)
    seconds = float(second["window"].rstrip("s"))
    check(2.5 < seconds < 6, "the window is what passed since the reading before", first, second)
    apply(pod("over", container("main", "true"), restartPolicy="Never"))
    until(20, lambda: k2d.get("pod", "over")["status"]["phase"] == "Succeeded", "it ends")
    code, _, body = raw("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/over")
    check(code == 404 and json.loads(body)["message"] == 'podmetrics.metrics.k8s.io "default/over" not found', code, body)
    code, _, body = raw("/apis/metrics.k8s.io/v1beta1/pods")
    names = [one["metadata"]["name"] for one in json.loads(body)["items"]]
    check(json.loads(body)["kind"] == "PodMetricsList" and "over" not in names and "web" in names, names)
    check("metrics.k8s.io/v1beta1" in k2d.kubectl("api-versions"))
    remove("over")


# === debug ===

@each("debug adds a container to a pod, and attaches to it")
def _(client):
    name = "bare" + str(clients.index(client))
    apply(pod(name, container("main", "trap exit TERM; echo marker >/tmp/marker; while :; do sleep 1 & wait; done")))
    running(name)
    code, out, err = client.run("debug", name, "-i", "--image=busybox:1.37", "--image-pull-policy=IfNotPresent", "--target=main", "-c", "spy",
                                "--profile=general", "--", "sh", "-c", "read x; cat /proc/1/root/tmp/marker; hostname -i; echo got $x; exit 4", data=b"typed\n")
    address = k2d.get("pod", name)["status"]["podIP"]
    check(b"marker\n" in out and b"got typed\n" in out and address.encode() in out, code, out, err)
    status = until(10, lambda: (one := status_of(name, "spy", "ephemeralContainerStatuses")) and "terminated" in one["state"] and one, "it has ended")
    check(status["state"]["terminated"]["exitCode"] == 4, status)
    check(b"typed" in client.well("logs", name, "-c", "spy"))
    code, text = client.on_terminal(f"debug {name} -it --image=busybox:1.37 --image-pull-policy=IfNotPresent --profile=general -c shell -- sh -c 'read x; sleep 0.5; stty size; echo got $x'", data=b"word\n")
    check("33 101" in text and "got word" in text, code, text)
    check(status_of(name, "main")["restartCount"] == 0 and k2d.get("pod", name)["status"]["phase"] == "Running")
    remove(name)


@steps("the rules of ephemeral containers")
def _():
    apply(pod("rules", container("main", "sleep 1000")))
    running("rules")
    def patch(*containers):
        body = json.dumps({"spec": {"ephemeralContainers": list(containers)}})
        code, _, got = raw("/api/v1/namespaces/default/pods/rules/ephemeralcontainers", "PATCH", body, {"Content-Type": "application/strategic-merge-patch+json"})
        return code, json.loads(got)
    spy = {"name": "spy", "image": "busybox:1.37", "command": ["sleep", "1000"], "imagePullPolicy": "IfNotPresent"}
    code, got = patch({**spy, "targetContainerName": "nobody"})
    check(code == 422 and "targetContainerName" in got["message"], code, got)
    code, got = patch({**spy, "ports": [{"containerPort": 1}]})
    check(code == 422 and "ports" in got["message"], code, got)
    code, got = patch({**spy, "name": "main"})
    check(code == 422 and "Duplicate" in got["message"], code, got)
    code, got = patch(spy)
    check(code == 200, code, got)
    until(20, lambda: "running" in status_of("rules", "spy", "ephemeralContainerStatuses")["state"], "it runs")
    code, got = patch({**spy, "image": "busybox:1.35"})
    check(code == 422 and "existing ephemeral containers" in got["message"].lower(), code, got)
    remove("rules")
    until(10, lambda: not [one for one in host.containers(every=True) if ".rules." in one], "its containers are gone")


@steps("debug of a copy, and of the node")
def _():
    client = clients[0]
    apply(pod("orig", container("main", "sleep 1000")))
    running("orig")
    code, out, err = client.run("debug", "orig", "-i", "--copy-to=copy", "--container=main", "--profile=general", "--", "sh", "-c", "read x; echo in the copy: $x", data=b"me\n")
    check(b"in the copy: me" in out, code, out, err)
    node = k2d.get("node")["items"][0]["metadata"]["name"]
    code, out, err = client.run("debug", f"node/{node}", "-i", "--image=busybox:1.37", "--profile=general", "--", "sh", "-c", "read x; ls /host/etc/passwd; ps | grep -q dockerd && echo seen", data=b"x\n")
    check(b"/host/etc/passwd" in out and b"seen" in out, code, out, err)
    remove("orig", "copy", *[one["metadata"]["name"] for one in k2d.get("pod")["items"] if one["metadata"]["name"].startswith("node-debugger")])


def main():
    global host, k2d
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", nargs="+")
    arguments.add_argument("--list", action="store_true")
    arguments.add_argument("--keep", action="store_true")
    chosen = arguments.parse_args()
    if chosen.list:
        print("\n".join(steps.names()))
        return 0
    host = on_host(NAME, keep=chosen.keep)
    k2d = K2d.on(host)
    try:
        steps.play(only=chosen.only)
    finally:
        keep_log(k2d.log, "streams-k2d.log")
        if not chosen.keep:
            k2d.stop()
    return steps.summary()


if __name__ == "__main__":
    sys.exit(main())
