"""What is run after a container's start and before its end."""
import time

from bed import check, idle, mount, python, shell, test

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked for", self.path, self.headers.get("X-Word"))
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


def server(bed):
    bed.pod("server", python(SERVER, readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}))
    return bed.ready("server")["status"]["podIP"]


def asks(address, path):
    return {"httpGet": {"host": address, "port": 8080, "path": path, "httpHeaders": [{"name": "X-Word", "value": "given"}]}}


@test()
def post_start_exec(bed):
    bed.pod("starts", idle(lifecycle={"postStart": {"exec": {"command": ["sh", "-c", "sleep 1; echo done > /after"]}}}))
    bed.ready("starts")
    check(bed.sh("starts", "cat /after") == "done\n", "it did not run before the container was ready")


@test()
def post_start_http(bed):
    address = server(bed)
    bed.pod("starts", idle(lifecycle={"postStart": asks(address, "/started")}))
    bed.ready("starts")
    check("asked for /started given" in bed.log("server"), bed.log("server"))


@test()
def pre_stop_exec(bed):
    place = bed.scratch()
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo before >> /d/order"]}}}
    bed.pod("ends", shell("trap 'echo term >> /d/order; exit 0' TERM; sleep 100000 & wait", lifecycle=hook, volumeMounts=[mount("d", "/d")]),
            volumes=[{"name": "d", "hostPath": {"path": place, "type": "DirectoryOrCreate"}}], terminationGracePeriodSeconds=20)
    bed.ready("ends")
    bed.delete("pods", "ends")
    bed.gone("ends", 30)
    with open(f"{place}/order") as file:
        check(file.read() == "before\nterm\n", "the order")


@test()
def pre_stop_http(bed):
    address = server(bed)
    bed.pod("ends", idle(lifecycle={"preStop": asks(address, "/ended")}), terminationGracePeriodSeconds=20)
    bed.ready("ends")
    bed.delete("pods", "ends")
    bed.gone("ends", 30)
    check("asked for /ended given" in bed.log("server"), bed.log("server"))


@test()
def pre_stop_is_seen_through_the_proxy(bed):
    """Another pod is told of the end, and says so through the API."""
    script = """
import http.server
told = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/prestop": told.append("prestop")
        body = ",".join(told).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
    bed.pod("server", python(script, readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}))
    address = bed.ready("server")["status"]["podIP"]
    hook = {"preStop": {"exec": {"command": ["sh", "-c", f"printf 'GET /prestop HTTP/1.0\\r\\n\\r\\n' | nc {address} 8080"]}}}
    bed.pod("tester", idle(lifecycle=hook), terminationGracePeriodSeconds=20)
    bed.ready("tester")
    bed.delete("pods", "tester")
    bed.gone("tester", 30)
    status, text = bed.api.ask("GET", bed.path("pods", "server:8080", "proxy/read"), raw=True)
    check(status == 200 and text == "prestop", status, text)


@test()
def pre_stop_sleeps(bed):
    bed.pod("ends", idle(lifecycle={"preStop": {"sleep": {"seconds": 3}}}), terminationGracePeriodSeconds=30)
    bed.ready("ends")
    begin = time.monotonic()
    bed.delete("pods", "ends")
    bed.gone("ends", 30)
    check(3 <= time.monotonic() - begin < 15, "it took", time.monotonic() - begin)


@test()
def a_failed_post_start_ends_the_container(bed):
    bed.pod("starts", shell("sleep 1000", lifecycle={"postStart": {"exec": {"command": ["sh", "-c", "exit 4"]}}}), restartPolicy="Never")
    bed.wait("starts", lambda pod: pod["status"]["phase"] == "Failed", "failed", 30)
    bed.until(lambda: "FailedPostStartHook" in [one["reason"] for one in bed.events("starts")], "an event FailedPostStartHook", 10)


@test()
def a_stop_signal_is_kept(bed):
    place = bed.scratch()
    bed.pod("ends", shell("trap 'echo usr1 > /d/got; exit 0' USR1; sleep 100000 & wait", lifecycle={"stopSignal": "SIGUSR1"}, volumeMounts=[mount("d", "/d")]),
            os={"name": "linux"}, volumes=[{"name": "d", "hostPath": {"path": place, "type": "DirectoryOrCreate"}}], terminationGracePeriodSeconds=10)
    bed.ready("ends")
    bed.delete("pods", "ends")
    bed.gone("ends", 30)
    with open(f"{place}/got") as file:
        check(file.read() == "usr1\n", "the signal")
