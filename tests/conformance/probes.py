"""Probes: what is alive stays, what is not is started again, what is not ready is not told to be."""
import time

from bed import check, idle, is_ready, python, shell, status_of, test

# Answers /healthz with 200 for some seconds, then with 500.
WEB = """
import http.server, time
begin = time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(302); self.send_header("Location", "/healthz"); self.send_header("Content-Length", "0"); self.end_headers(); return
        good = (self.path == "/healthz" and time.monotonic() - begin < {seconds}) and self.headers.get("X-Probe", "yes") == "yes"
        self.send_response(200 if good else 500); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
# A gRPC health service (grpc.health.v1) over HTTP/2 in as few words as it takes.
GRPC = """
import socket, struct, threading
def frame(kind, flags, stream, payload): return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
def word(text): return bytes([len(text)]) + text.encode()
def serve(wire):
    file = wire.makefile("rb")
    file.read(24)
    wire.sendall(frame(4, 0, 0, b""))
    while len(head := file.read(9)) == 9:
        length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
        payload = file.read(length)
        if kind == 4 and not flags & 1: wire.sendall(frame(4, 1, 0, b""))
        if kind == 6 and not flags & 1: wire.sendall(frame(6, 1, 0, payload))
        if kind in (0, 1) and flags & 1:
            begin = b"\\x88" + b"\\x00" + word("content-type") + word("application/grpc")
            wire.sendall(frame(1, 4, stream, begin) + frame(0, 0, stream, bytes([0, 0, 0, 0, 2, 8, STATUS])) + frame(1, 5, stream, b"\\x00" + word("grpc-status") + word("0")))
listener = socket.create_server(("", PORT))
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def stays(bed, name, container, seconds=8):
    """It is ready, and is not started again for a while."""
    bed.pod(name, container)
    bed.ready(name)
    time.sleep(seconds)
    pod = bed.get("pods", name)
    check(status_of(pod)["restartCount"] == 0 and is_ready(pod), pod["status"])


def is_started_again(bed, name, container, seconds=60):
    bed.pod(name, container)
    pod = bed.wait(name, lambda pod: status_of(pod).get("restartCount", 0) >= 1, "started again", seconds)
    reasons = [(one["reason"], one["message"]) for one in bed.events(name)]
    check(any(reason == "Unhealthy" and "Liveness probe failed" in message for reason, message in reasons), reasons)
    check(any(reason == "Killing" and "failed liveness probe, will be restarted" in message for reason, message in reasons), reasons)
    return pod


def often(**probe):
    return {"periodSeconds": 1, "failureThreshold": 2, "initialDelaySeconds": 1, "timeoutSeconds": 3, **probe}


@test()
def liveness_exec_stays(bed):
    stays(bed, "lives", shell("echo ok > /tmp/health; trap 'exit 0' TERM; sleep 1000 & wait", livenessProbe=often(exec={"command": ["cat", "/tmp/health"]})))


@test(slow=True)
def liveness_exec(bed):
    is_started_again(bed, "dies", shell("echo ok > /tmp/health; sleep 3; rm /tmp/health; trap 'exit 0' TERM; sleep 1000 & wait", livenessProbe=often(exec={"command": ["cat", "/tmp/health"]})))


@test()
def liveness_exec_timeout(bed):
    is_started_again(bed, "hangs", idle(livenessProbe=often(exec={"command": ["sleep", "10"]}, timeoutSeconds=1, failureThreshold=1)))


@test()
def liveness_http_stays(bed):
    probe = often(httpGet={"path": "/healthz", "port": "web", "httpHeaders": [{"name": "X-Probe", "value": "yes"}]}, initialDelaySeconds=3, failureThreshold=3)
    stays(bed, "lives", python(WEB.format(seconds=1e9), livenessProbe=probe, ports=[{"name": "web", "containerPort": 8080}]))


@test(slow=True)
def liveness_http(bed):
    is_started_again(bed, "dies", python(WEB.format(seconds=4), livenessProbe=often(httpGet={"path": "/healthz", "port": 8080}, initialDelaySeconds=3)))


@test()
def liveness_http_redirect_on_the_host(bed):
    probe = often(httpGet={"path": "/redirect", "port": 8080}, initialDelaySeconds=3, failureThreshold=3)
    stays(bed, "lives", python(WEB.format(seconds=1e9), livenessProbe=probe), 5)


@test()
def liveness_tcp_stays(bed):
    stays(bed, "lives", shell("httpd -f -p 8080", livenessProbe=often(tcpSocket={"port": 8080}, failureThreshold=3)))


@test()
def liveness_tcp(bed):
    is_started_again(bed, "dies", idle(livenessProbe=often(tcpSocket={"port": 8081})))


@test()
def liveness_grpc_stays(bed):
    probe = often(grpc={"port": 5000, "service": "any"}, initialDelaySeconds=3, failureThreshold=3)
    stays(bed, "lives", python(GRPC.replace("PORT", "5000").replace("STATUS", "1"), livenessProbe=probe))


@test(slow=True)
def liveness_grpc(bed):
    probe = often(grpc={"port": 5000}, initialDelaySeconds=3)
    is_started_again(bed, "dies", python(GRPC.replace("PORT", "5000").replace("STATUS", "2"), livenessProbe=probe))
    is_started_again(bed, "absent", idle(livenessProbe=often(grpc={"port": 2333})))


@test(slow=True)
def restart_counts_only_grow(bed):
    bed.pod("dies", shell("sleep 1000 & trap 'exit 0' TERM; wait", livenessProbe=often(exec={"command": ["false"]}, failureThreshold=1)))
    counts = []
    for pod in bed.states("dies", 180):
        counts.append(status_of(pod).get("restartCount", 0))
        if counts[-1] >= 4:
            break
    check(counts == sorted(counts) and counts[-1] >= 4, counts)


@test()
def readiness_waits(bed):
    delay = 6
    bed.pod("waits", idle(readinessProbe={"exec": {"command": ["true"]}, "initialDelaySeconds": delay, "periodSeconds": 1}))
    begun = None
    for pod in bed.states("waits", 40):
        status = status_of(pod)
        if "running" in status.get("state", {}) and begun is None:
            begun = time.monotonic()
        if is_ready(pod):
            break
        check(status.get("ready", False) is False, status)
    # What is seen first may be a moment late.
    check(is_ready(pod) and begun and time.monotonic() - begun > delay - 2, "it was ready too early", time.monotonic() - (begun or 0))
    check(status_of(pod)["restartCount"] == 0, pod["status"])


@test()
def readiness_fails(bed):
    bed.pod("never", idle(readinessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1, "initialDelaySeconds": 1}))
    for pod in bed.states("never", 8):
        check(not is_ready(pod) and status_of(pod).get("restartCount", 0) == 0, pod["status"])
    check(any(one["reason"] == "Unhealthy" and "Readiness probe failed" in one["message"] for one in bed.events("never")), bed.events("never"))


@test()
def readiness_comes_and_goes(bed):
    bed.pod("sways", idle(readinessProbe={"exec": {"command": ["ls", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 1}))
    bed.wait("sways", lambda pod: status_of(pod).get("started"), "started")
    bed.sh("sways", "touch /tmp/ok")
    bed.ready("sways", 10)
    bed.sh("sways", "rm /tmp/ok")
    bed.wait("sways", lambda pod: not is_ready(pod), "not ready any more", 10)


@test()
def startup_holds_back_the_others(bed):
    bed.pod("slow", shell("sleep 4; touch /tmp/up; trap 'exit 0' TERM; sleep 1000 & wait", startupProbe={"exec": {"command": ["ls", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 30},
                          livenessProbe=often(exec={"command": ["ls", "/tmp/up"]}, failureThreshold=1)))
    first = bed.wait("slow", lambda pod: "running" in status_of(pod).get("state", {}), "running")
    check(status_of(first)["started"] is False and not is_ready(first), status_of(first))
    pod = bed.ready("slow", 30)
    check(status_of(pod)["started"] is True and status_of(pod)["restartCount"] == 0, status_of(pod))


@test()
def startup_that_fails_ends_it(bed):
    bed.pod("never", idle(startupProbe={"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2}))
    bed.wait("never", lambda pod: status_of(pod).get("restartCount", 0) >= 1, "started again")
    check(any("Startup probe failed" in one["message"] for one in bed.events("never")), bed.events("never"))
