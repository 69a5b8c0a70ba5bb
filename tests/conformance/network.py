"""The network of a pod: its hosts file, its addresses, its names, what reaches it from pods and from the node."""
import urllib.request

from bed import Failed, check, idle, mount, python, shell, status_of, test

# Says its name to whoever asks, by HTTP on 8080 and by UDP on 8081.
SPEAKER = """
import http.server, os, socket, threading
name = os.environ["HOSTNAME"].encode()
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 8081))
    while True:
        data, peer = s.recvfrom(100); s.sendto(name, peer)
threading.Thread(target=udp, daemon=True).start()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", str(len(name))); self.end_headers(); self.wfile.write(name)
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
UDP = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(b'x', ('{}', 8081)); print(s.recv(100).decode(), end='')"
HTTP = "import urllib.request; print(urllib.request.urlopen('http://{}:8080/', timeout=5).read().decode(), end='')"


def speaker(bed, name, **spec):
    bed.pod(name, python(SPEAKER, env=[{"name": "HOSTNAME", "value": name}], readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}), **spec)


def ask(bed, pod, script):
    status, text = bed.run(pod, "python3", "-c", script)
    check(status == 0, text)
    return text


@test()
def pods_reach_each_other(bed):
    for name in ("one", "two"):
        speaker(bed, name)
    address = {name: bed.ready(name)["status"]["podIP"] for name in ("one", "two")}
    for here in ("one", "two"):
        for there in ("one", "two"):
            check(ask(bed, here, HTTP.format(address[there])) == there, f"HTTP from {here} to {there}")
            check(ask(bed, here, UDP.format(address[there])) == there, f"UDP from {here} to {there}")


@test()
def the_node_reaches_pods(bed):
    speaker(bed, "one")
    bed.pod("host", python("import time; time.sleep(1000)"), hostNetwork=True)
    address = bed.ready("one")["status"]["podIP"]
    host = bed.ready("host")["status"]
    check(host["podIP"] == host["hostIP"], host)
    check(ask(bed, "host", HTTP.format(address)) == "one", "HTTP")
    check(ask(bed, "host", UDP.format(address)) == "one", "UDP")
    check(urllib.request.urlopen(f"http://{address}:8080/", timeout=5).read() == b"one", "the host itself")


@test()
def host_aliases(bed):
    text = bed.output("reads", shell("cat /etc/hosts"), hostAliases=[{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}, {"ip": "10.1.2.3", "hostnames": ["far"]}])
    lines = [line.split() for line in text.splitlines()]
    check(["123.45.67.89", "foo", "bar"] in lines and ["10.1.2.3", "far"] in lines, text)


@test()
def hosts_file(bed):
    """Ours in a pod with a network of its own, the host's with the host's, the user's where the user mounts one."""
    bed.make("configmaps", "own", data={"hosts": "1.2.3.4 mine\n"})
    bed.pod("pod", idle("a"), idle("b"), idle("c", volumeMounts=[mount("own", "/etc/hosts", subPath="hosts")]), volumes=[{"name": "own", "configMap": {"name": "own"}}])
    bed.pod("host", idle("a"), hostNetwork=True)
    address = bed.ready("pod")["status"]["podIP"]
    bed.ready("host")
    for container in ("a", "b"):
        lines = [line.split() for line in bed.sh("pod", "cat /etc/hosts", container).splitlines()]
        check([address, "pod"] in lines and any(line[:2] == ["127.0.0.1", "localhost"] for line in lines), container, lines)
    check(bed.sh("pod", "cat /etc/hosts", "c") == "1.2.3.4 mine\n", "the user's own")
    with open("/etc/hosts") as file:
        wanted = [line.split() for line in file if line.strip() and not line.startswith("#")]
    got = [line.split() for line in bed.sh("host", "cat /etc/hosts", "a").splitlines() if line.strip() and not line.startswith("#")]
    check(wanted == got, "host's", wanted, got)


@test()
def an_address_stays(bed):
    bed.pod("stays", shell("sleep 2; exit 1"))
    first = bed.wait("stays", lambda pod: pod["status"].get("podIP"), "an address")["status"]["podIP"]
    pod = bed.wait("stays", lambda pod: status_of(pod).get("restartCount", 0) >= 1 and "running" in status_of(pod)["state"], "started again")
    check(pod["status"]["podIP"] == first and pod["status"]["podIPs"] == [{"ip": first}], pod["status"])
    check(f"inet {first}/" in bed.sh("stays", "ip addr"), "in the container")


@test()
def containers_share_their_network(bed):
    bed.pod("shares", shell("echo word > /tmp/x; cd /tmp; httpd -f -p 127.0.0.1:8080", "serves"), idle("asks"))
    bed.ready("shares")
    bed.until(lambda: "word" in bed.sh("shares", "printf 'GET /x HTTP/1.0\\r\\n\\r\\n' | nc 127.0.0.1 8080", "asks"), "the word over the loopback", 10)


@test()
def names_and_searches(bed):
    bed.pod("plain", idle())
    bed.pod("own", idle(), dnsPolicy="None", dnsConfig={"nameservers": ["1.1.1.1"], "searches": ["example.org"], "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]})
    bed.pod("more", idle(), dnsConfig={"searches": ["example.org"]})
    for name in ("plain", "own", "more"):
        bed.ready(name)
    plain = bed.sh("plain", "cat /etc/resolv.conf")
    wanted = f"search {bed.namespace}.svc.cluster.local svc.cluster.local cluster.local"
    check(wanted in plain and "ndots:5" in plain, plain)
    own = [sorted(line.split()) for line in bed.sh("own", "cat /etc/resolv.conf").splitlines() if line and not line.startswith("#")]
    check(sorted(own) == sorted([["1.1.1.1", "nameserver"], ["example.org", "search"], ["edns0", "ndots:2", "options"]]), own)
    check(wanted + " example.org" in " ".join(bed.sh("more", "cat /etc/resolv.conf").split()), bed.sh("more", "cat /etc/resolv.conf"))
    check("10.43.0.1" in bed.sh("plain", "nslookup kubernetes.default.svc.cluster.local"), "the name of the API")


@test()
def host_ports(bed):
    bed.pod("serves", shell("echo word > /tmp/x; cd /tmp; httpd -f -p 8080", ports=[{"containerPort": 8080, "hostPort": 18080}]))
    bed.ready("serves")
    bed.until(lambda: urllib.request.urlopen("http://127.0.0.1:18080/x", timeout=2).read() == b"word\n", "the word over the host's port", 10)
    check("0.0.0.0:18080->8080/tcp" in bed.host.docker("ps", "--format", "{{.Ports}}", "--filter", f"name={bed.namespace}.serves"), "docker ps")


@test()
def a_pod_proxied(bed):
    speaker(bed, "one")
    bed.ready("one")
    status, text = bed.api.ask("GET", bed.path("pods", "one:8080", "proxy/"), raw=True)
    check(status == 200 and text == "one", status, text)
    try:
        bed.ask("GET", bed.path("pods", "none:8080", "proxy/"), expect=404)
    except ValueError as error:
        raise Failed(f"an error that is no Status: {error}") from None
