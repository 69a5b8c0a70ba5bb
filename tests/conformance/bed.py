"""What the tests of the suite stand on: a namespace of one's own, the API over kept connections, and a way into containers."""
import base64
import http.client
import json
import os
import socket
import struct
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from testbed import Failed, check

BUSYBOX, PYTHON = "busybox:1.37", "python:3-alpine"
TESTS = {}


def test(slow=False, alone=False):
    """Registers a test as `<module>/<function>`. A slow one begins first, one that needs the node for itself runs last."""
    def keep(function):
        name = f"{function.__module__.split('.')[-1]}/{function.__name__}"
        check(name not in TESTS, "two tests are called", name)
        TESTS[name] = (function, slow, alone)
        return function
    return keep


def several(variants):
    """One test for each variant: `name` becomes `name_<variant>`, and the function gets what stands there."""
    def keep(function):
        for variant, given in variants.items():
            def one(bed, given=given):
                return function(bed, given)
            one.__module__, one.__name__ = function.__module__, f"{function.__name__}_{variant}"
            test()(one)
        return function
    return keep


# === parts of objects ===

def shell(script, name="main", **more):
    return {"name": name, "image": BUSYBOX, "command": ["sh", "-c", script], **more}


def python(script, name="main", **more):
    return {"name": name, "image": PYTHON, "command": ["python3", "-u", "-c", script], **more}


def idle(name="main", **more):
    """A container that runs until it is asked to end, and then ends at once."""
    return shell("trap 'exit 0' TERM; sleep 100000 & wait", name, **more)


def meta(name, **more):
    return {"name": name, **more}


def mount(volume, path, **more):
    return {"name": volume, "mountPath": path, **more}


def status_of(pod, container="main", field="containerStatuses"):
    for one in pod.get("status", {}).get(field, []):
        if one["name"] == container:
            return one
    return {}


def condition(pod, kind):
    for one in pod.get("status", {}).get("conditions", []):
        if one["type"] == kind:
            return one["status"]
    return None


def is_ready(pod):
    return condition(pod, "Ready") == "True"


def is_running(pod):
    return pod.get("status", {}).get("phase") == "Running"


def has_ended(pod):
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


class Api:
    """Requests with the administrator's credentials; each thread keeps one connection."""

    def __init__(self, k2d):
        self.k2d, self.kept = k2d, threading.local()

    def ask(self, method, path, body=None, kind="application/json", raw=False):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        for last in (False, True):
            connection = getattr(self.kept, "connection", None)
            if connection is None:
                connection = self.kept.connection = self.k2d.connect(60)
            try:
                connection.request(method, path, data, {"Content-Type": kind} if data is not None else {})
                answer = connection.getresponse()
                content = answer.read()
                return answer.status, content.decode(errors="replace") if raw else json.loads(content)
            except (OSError, http.client.HTTPException):
                connection.close()
                self.kept.connection = None
                if last or method == "POST":
                    raise

    def watch(self, path, seconds):
        """The events of a watch, until the time is over."""
        connection = self.k2d.connect(max(seconds, 0.2))
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                connection.sock.settimeout(max(end - time.monotonic(), 0.01))
                line = answer.readline()
                if not line:
                    return
                yield json.loads(line)
        except TimeoutError:
            return
        finally:
            connection.close()


class WebSocket:
    """A client of one WebSocket (RFC 6455)."""

    def __init__(self, k2d, path, protocol, timeout=30):
        raw = socket.create_connection(("127.0.0.1", k2d.port), timeout=timeout)
        self.wire = k2d.credentials().wrap_socket(raw, server_hostname="127.0.0.1")
        key = base64.b64encode(os.urandom(16)).decode()
        self.wire.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{k2d.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n").encode())
        self.file = self.wire.makefile("rb")
        first = self.file.readline().decode()
        headers = http.client.parse_headers(self.file)
        if " 101 " not in first:
            raise Failed(first.strip(), self.file.read(int(headers.get("Content-Length", "0"))).decode(errors="replace"))
        self.protocol = headers.get("Sec-WebSocket-Protocol")

    def send(self, payload, opcode=2):
        mask = os.urandom(4)
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
        self.wire.sendall(bytes([0x80 | opcode]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def __iter__(self):
        """The payloads, until the server closes."""
        while True:
            head = self.file.read(2)
            if len(head) < 2:
                return
            length = head[1] & 0x7f
            if length > 125:
                length = struct.unpack(">H" if length == 126 else ">Q", self.file.read(2 if length == 126 else 8))[0]
            payload = self.file.read(length)
            if head[0] & 0xf == 8:
                return
            if head[0] & 0xf < 3:
                yield payload

    def close(self):
        self.file.close()
        self.wire.close()


class Bed:
    """What one test works with. Its namespace goes when it ends."""

    def __init__(self, k2d, host, api, name):
        self.k2d, self.host, self.api, self.namespace, self.others = k2d, host, api, name, []
        self.make_namespace(name)

    def make_namespace(self, name):
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}}, 201)
        self.until(lambda: self.api.ask("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default")[0] == 200, "a service account", 15)

    def another_namespace(self):
        self.others.append(f"{self.namespace}-{len(self.others) + 2}")
        self.make_namespace(self.others[-1])
        return self.others[-1]

    def end(self):
        for namespace in (self.namespace, *self.others):
            self.api.ask("DELETE", f"/api/v1/namespaces/{namespace}/pods?gracePeriodSeconds=0")
            self.api.ask("DELETE", f"/api/v1/namespaces/{namespace}")

    def scratch(self):
        """A folder of the host that goes with the test host."""
        return os.path.join(self.host.data, "scratch", self.namespace)

    # --- the API ---

    def ask(self, method, path, body=None, expect=(200, 201, 202), kind="application/json"):
        """An object of the API, if the status is the expected one."""
        status, answer = self.api.ask(method, path, body, kind)
        check(status == expect or (isinstance(expect, tuple) and status in expect), method, path, "gave", status, json.dumps(answer)[:600])
        return answer

    def path(self, plural, name=None, part=None, namespace=None):
        return "/".join(["/api/v1/namespaces", namespace or self.namespace, plural, *filter(None, (name, part))])

    def make(self, plural, name, namespace=None, expect=(200, 201, 202), labels=None, annotations=None, **content):
        body = {"metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}}, **content}
        return self.ask("POST", self.path(plural, namespace=namespace), body, expect)

    def get(self, plural, name, **more):
        return self.ask("GET", self.path(plural, name, **more))

    def patch(self, plural, name, change, part=None, expect=(200, 201)):
        return self.ask("PATCH", self.path(plural, name, part), change, expect, kind="application/merge-patch+json")

    def delete(self, plural, name, query=""):
        return self.ask("DELETE", self.path(plural, name) + query)

    def node(self):
        return self.ask("GET", "/api/v1/nodes")["items"][0]

    def events(self, about, namespace=None):
        query = urllib.parse.quote(f"involvedObject.name={about}")
        return self.ask("GET", f"{self.path('events', namespace=namespace)}?fieldSelector={query}")["items"]

    @staticmethod
    def until(ask, what, seconds=30):
        """Asks until the answer is true, and gives it; what fails is not true yet."""
        end, last = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                last = ask()
                if last:
                    return last
            except (Failed, OSError, KeyError, IndexError, ValueError) as error:
                last = error
            time.sleep(0.1)
        raise Failed(f"not within {seconds} s: {what}", f"(last: {last})" if last else "")

    # --- pods ---

    def pod(self, name, *containers, expect=201, labels=None, annotations=None, **spec):
        """Makes a pod; nothing that it waits for."""
        spec = {"terminationGracePeriodSeconds": 2, "automountServiceAccountToken": False, "containers": list(containers), **spec}
        return self.make("pods", name, labels=labels, annotations=annotations, spec=spec, expect=expect)

    def states(self, name, seconds=60, plural="pods"):
        """The states of an object one after another, the present one first; None when it is gone."""
        query = urllib.parse.urlencode({"watch": 1, "resourceVersion": 0, "fieldSelector": f"metadata.name={name}"})
        for event in self.api.watch(f"{self.path(plural)}?{query}", seconds):
            if event["type"] == "DELETED":
                yield None
                return
            if event["type"] in ("ADDED", "MODIFIED"):
                yield event["object"]

    def wait(self, name, holds, what, seconds=60):
        """The first state of a pod of which that holds."""
        last = None
        for last in self.states(name, seconds):
            if last is None:
                break
            if holds(last):
                return last
        events = [f'{one.get("reason")}: {one.get("message")}' for one in self.events(name)]
        status = json.dumps((last or {}).get("status", "gone"))
        raise Failed(f"pod {name} within {seconds} s: {what}; status {status[:1500]}; events {events[-6:]}")

    def ready(self, name, seconds=60):
        return self.wait(name, is_ready, "ready", seconds)

    def ended(self, name, phase="Succeeded", seconds=60):
        pod = self.wait(name, has_ended, phase, seconds)
        check(pod["status"]["phase"] == phase, name, "is", pod["status"], self.log(name))
        return pod

    def gone(self, name, seconds=60):
        for state in self.states(name, seconds):
            if state is None:
                return
        check(self.api.ask("GET", self.path("pods", name))[0] == 404, f"pod {name} stays for {seconds} s")

    def waits(self, name, reason, container="main", field="containerStatuses", seconds=30):
        """The pod, once a container of it waits for that reason."""
        return self.wait(name, lambda pod: status_of(pod, container, field).get("state", {}).get("waiting", {}).get("reason") == reason, reason, seconds)

    def log(self, name, container=None, query=""):
        container = f"container={container}&" if container else ""
        return self.api.ask("GET", f"{self.path('pods', name, 'log')}?{container}{query}", raw=True)[1]

    def output(self, name, *containers, phase="Succeeded", container=None, **spec):
        """What a pod prints that runs once."""
        self.pod(name, *containers, restartPolicy="Never", **spec)
        self.ended(name, phase)
        return self.log(name, container)

    def run(self, pod, *command, container=None):
        """Exit status and output of a command in a container, both streams together."""
        words = [("command", word) for word in command] + [("stdout", 1), ("stderr", 1)] + ([("container", container)] if container else [])
        stream = WebSocket(self.k2d, f"{self.path('pods', pod, 'exec')}?{urllib.parse.urlencode(words)}", "v5.channel.k8s.io")
        output, verdict = b"", {}
        try:
            for payload in stream:
                if payload[:1] in (b"\1", b"\2"):
                    output += payload[1:]
                elif payload[:1] == b"\3":
                    verdict = json.loads(payload[1:])
        finally:
            stream.close()
        if verdict.get("status") == "Success":
            return 0, output.decode(errors="replace")
        for cause in verdict.get("details", {}).get("causes", []):
            if cause.get("reason") == "ExitCode":
                return int(cause["message"]), output.decode(errors="replace")
        raise Failed("exec", pod, command, verdict, output)

    def sh(self, pod, script, container=None):
        """What a script prints in a container of a pod; it must succeed."""
        status, output = self.run(pod, "sh", "-c", script, container=container)
        check(status == 0, pod, repr(script), "ended with", status, output)
        return output

    def inside(self, pod, script, wanted, seconds=10, container=None):
        """Waits until a script prints that in a container."""
        self.until(lambda: self.sh(pod, script, container) == wanted, f"{script!r} prints {wanted!r} in {pod}", seconds)

    def inspect(self, pod, container="main"):
        return self.host.inspect(f"{self.namespace}.{pod}.{container}")

    def is_there(self, pod, container="main"):
        return f"{self.namespace}.{pod}.{container}" in self.host.containers(every=True)
