#!/usr/bin/env python3
"""What k2d answers to those who mean it ill or know it badly: bytes that are no TLS, no or wrong credentials, bodies and
heads that are too large, names that are none, and random bytes and JSON at every endpoint that writes. The process must
never end, never answer 5xx where Kubernetes would not, and go on serving others meanwhile.

  bad_input.py [--seed N] [--rounds N]     the seed of a failed run is printed; rounds are per endpoint and verb
"""
import argparse
import base64
import copy
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from testbed import Ended, K2d, Steps, check, keep_log, run, until

steps = Steps()
PORT = 16445


# === requests ===

def alive():
    """k2d still runs and answers within two seconds."""
    check(k2d.process.poll() is None, f"k2d ended with status {k2d.process.returncode}:\n{k2d.tail()}")
    begin = time.monotonic()
    status, _ = k2d.api("GET", "/readyz", raw=True, timeout=5)
    check(status == 200 and time.monotonic() - begin < 2, f"/readyz said {status} after {time.monotonic() - begin:.1f} s")


def ask(context, path, method="GET", headers=None, body=None):
    """A request with other credentials than the administrator's: status and body. A handshake that is refused is None."""
    connection = http.client.HTTPSConnection("127.0.0.1", PORT, timeout=10, context=context)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return None, b""
    finally:
        connection.close()


def stranger():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def refused(status, body):
    """401 as a Status that tells nothing more."""
    check(status == 401, status, body[:200])
    answer = json.loads(body)
    check((answer["kind"], answer["reason"], answer["message"], answer["code"]) == ("Status", "Unauthorized", "Unauthorized", 401), answer)


def post(path, body, kind="application/json"):
    return k2d.api("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode(), kind)


def configmap(name, **fields):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}


MAPS = "/api/v1/namespaces/default/configmaps"


# === the steps ===

@steps("k2d starts", vital=True)
def _():
    k2d.start()
    until(10, lambda: k2d.api("GET", "/api/v1/namespaces/default")[0] == 200, "namespace default")


@steps("bytes that are no TLS")
def _():
    chance = random.Random(options.seed)
    hello = bytes.fromhex("1603010200010001fc0303") + chance.randbytes(60)
    pieces = [b"", b"\x00", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01", hello, hello[:20], b"\x16\x03\x01\xff\xff" + chance.randbytes(70000),
              b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] + [chance.randbytes(chance.randrange(1, 4000)) for _ in range(40)]
    for piece in pieces:
        with socket.create_connection(("127.0.0.1", PORT), timeout=5) as line:
            try:
                line.sendall(piece)
                if chance.random() < 0.5:
                    line.shutdown(socket.SHUT_WR)
                    line.settimeout(3)
                    line.recv(1000)
            except OSError:
                pass
    alive()


@steps("bytes that are no HTTP, inside TLS")
def _():
    chance = random.Random(options.seed)
    for piece in [b"\r\n" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 5000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(5000),
                  b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                  b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                  b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"] + [chance.randbytes(2000) for _ in range(20)]:
        with socket.create_connection(("127.0.0.1", PORT), timeout=5) as line:
            try:
                with k2d.credentials().wrap_socket(line, server_hostname="127.0.0.1") as secure:
                    secure.sendall(piece)
                    secure.settimeout(1)
                    answer = secure.recv(4000)
                    check(not answer.startswith(b"HTTP/1.1 5"), answer[:200])
            except OSError:
                pass
    alive()


@steps("no credentials: 401, and only what is open to all")
def _():
    for path in ("/api", "/apis", "/api/v1/pods", "/api/v1/namespaces/default/secrets", "/openapi/v3", "/metrics", "/no/such/path", "/"):
        refused(*ask(stranger(), path))
    refused(*ask(stranger(), MAPS, "POST", {"Content-Type": "application/json"}, json.dumps(configmap("stranger"))))
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        check(ask(stranger(), path)[0] == 200, path)
    check(k2d.api("GET", MAPS + "/stranger")[0] == 404, "a stranger's object was kept")


@steps("wrong credentials: 401")
def _():
    header = {"alg": "none"}, {"sub": "system:serviceaccount:kube-system:default", "iss": "kubernetes/serviceaccount"}
    forged = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in header) + "."
    for token in ("Bearer nonsense", "Bearer ", "Bearer " + forged, "Bearer " + "x" * 5000, "Basic YWRtaW46YWRtaW4=", "Bearer a.b.c", "Bearer \xe4"):
        refused(*ask(stranger(), "/api/v1/pods", headers={"Authorization": token}))
    refused(*ask(stranger(), "/api/v1/pods", headers={"Impersonate-User": "kubernetes-admin", "Impersonate-Group": "system:masters"}))
    refused(*ask(stranger(), "/api/v1/pods", headers={"X-Remote-User": "kubernetes-admin", "X-Remote-Group": "system:masters"}))


@steps("a certificate of another authority, and one that has expired: refused")
def _():
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        names = "/O=system:masters/CN=kubernetes-admin"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at("other.key"), "-out", at("other.crt"), "-subj", names, "-days", "2")
        pairs = [("another authority", "other.crt", "other.key")]
        pki = os.path.join(k2d.data, "pki")
        authority = [(os.path.join(pki, name[:-4]), name) for name in os.listdir(pki) if name.endswith(".key") and "ca" in name and "admin" not in name]
        check(authority, "no authority's key under", pki, os.listdir(pki))
        base = authority[0][0]
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at("old.key"), "-out", at("old.csr"), "-subj", names)
        run("openssl", "x509", "-req", "-in", at("old.csr"), "-CA", base + ".crt", "-CAkey", base + ".key", "-CAcreateserial", "-CAserial", at("serial"), "-days", "0", "-out", at("old.crt"))
        pairs.append(("expired", "old.crt", "old.key"))
        time.sleep(1.1)
        for what, certificate, key in pairs:
            context = stranger()
            context.load_cert_chain(at(certificate), at(key))
            status, body = ask(context, "/api/v1/pods")
            if status is not None:
                check(status == 401, what, status, body[:200])
    alive()


@steps("bodies that are too large: 413")
def _():
    large = json.dumps(configmap("large", data={"x": "y" * (4 << 20)})).encode()
    for chunked in (False, True):
        connection = k2d.connect(20)
        try:
            body = iter([large[i:i + 65536] for i in range(0, len(large), 65536)]) if chunked else large
            try:
                connection.request("POST", MAPS, body, {"Content-Type": "application/json"}, encode_chunked=chunked)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                pass  # The answer may come before the whole body is taken.
            answer = connection.getresponse()
            content = answer.read()
            check(answer.status == 413, "chunked" if chunked else "with its length", answer.status, content[:200])
            check(json.loads(content)["reason"] == "RequestEntityTooLarge", content[:300])
        finally:
            connection.close()
    check(k2d.api("GET", MAPS + "/large")[0] == 404, "it was kept")


@steps("heads that are too large: refused")
def _():
    for headers in ({"X-Long": "y" * (1 << 20)}, {f"X-{i}": "y" for i in range(5000)}):
        connection = k2d.connect(10)
        try:
            connection.putrequest("GET", "/api/v1/pods")
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            check(connection.getresponse().status in (400, 431), "status")
        except (OSError, http.client.HTTPException):
            pass  # Closed without an answer is as good.
        finally:
            connection.close()
    status, _ = k2d.api("GET", "/api/v1/pods?labelSelector=" + "a" * 7000)
    check(status < 500, status)
    alive()


@steps("two hundred clients that say nothing more do not keep others out")
def _():
    lines = []
    try:
        for i in range(200):
            line = socket.create_connection(("127.0.0.1", PORT), timeout=5)
            if i % 2:
                line = k2d.credentials().wrap_socket(line, server_hostname="127.0.0.1")
                line.sendall(b"POST /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nX-Slow: ")
            lines.append(line)
        alive()
    finally:
        for line in lines:
            line.close()
    alive()


@steps("bodies that are not what they should be: 4xx with a Status")
def _():
    good = json.dumps(configmap("almost"))
    for body, statuses in ((good + "trailing", (400,)), (good[:-3], (400,)), ("", (400,)), ("[]", (400,)), ("null", (400, 422)), ('"text"', (400,)), ("{}", (400, 422)),
                           (good.replace('"ConfigMap"', '"Secret"'), (400,)), (good.replace('"v1"', '"apps/v1"'), (400,)),
                           ("[" * 100000, (400,)), ('{"a":' * 20000, (400,)), (good.replace('"almost"', "7"), (400,)), (good.replace('"almost"', "null"), (422,)),
                           (good.replace('"almost"', '"\\ud800"'), (400, 422))):
        status, answer = post(MAPS, body.encode())
        check(status in statuses and answer["kind"] == "Status", body[:60], status, str(answer)[:300])
    status, answer = k2d.api("POST", MAPS + "?fieldValidation=Strict", configmap("strict", dataa={"a": "b"}))
    check(status == 400 and 'unknown field "dataa"' in answer["message"], status, answer)
    check(k2d.api("POST", MAPS, b"\xff\xfe\x00", "application/json")[0] == 400, "bytes that are no text")
    check(k2d.api("POST", MAPS, b"x", "text/plain")[0] == 415, "another media type")
    check(k2d.api("GET", MAPS + "/almost")[0] == 404, "one of them was kept")


@steps("names and keys that are none: 4xx, and nothing outside its place")
def _():
    for name in ("..", ".", "a/b", "../../etc/passwd", "a" * 300, "UPPER", "a b", "", "-", "ä", "a\x00b", "%2e%2e"):
        status, answer = post(MAPS, configmap(name))
        check(status == 422, repr(name), status, answer.get("message"))
    for key in ("../x", "..", ".", "a/b", "", "a" * 254, "a\x00"):
        status, answer = post(MAPS, configmap("keys", data={key: "x"}))
        check(status == 422, repr(key), status, answer.get("message"))
    for path in ("/api/v1/namespaces/../../etc/passwd", "/api/v1/namespaces/default/configmaps/..%2f..%2fetc", "/api/v1/namespaces/%00/pods", "/api/v1//pods",
                 "/api/v1/namespaces/default/configmaps/" + "a" * 3000, "/apis/apps/v1/namespaces/default/deployments/x/nosuch", "/api/v1/%ff", "/apis/../api/v1/pods"):
        status, _ = k2d.api("GET", path, raw=True)
        check(400 <= status < 500 or status in (200, 301), path, status)
    alive()


@steps("selectors, versions and limits that are none: 4xx")
def _():
    for query in ("labelSelector=!!", "labelSelector=a+in+(", "fieldSelector=no.such=1", "fieldSelector=%3D%3D", "limit=x", "limit=-1&continue=zzz", "continue=AAAA", "watch=maybe",
                  "resourceVersion=1&resourceVersionMatch=Never", "timeoutSeconds=x", "watch=1&resourceVersion=99999999999999999999999"):
        connection = k2d.connect(5)
        try:
            connection.request("GET", MAPS + "?" + query)
            answer = connection.getresponse()
            check(answer.status < 500 or "resourceVersion" in query, query, answer.status)
        finally:
            connection.close()
    alive()


# === random writes ===

# Kubernetes itself says 500 to these (shared/vectors/README.md): what an apply does not know, versions that are no number.
MAY_FAIL = {"application/apply-patch+yaml"}


def endpoints():
    """(path of the collection, kind, group and version, verbs) of all that can be written, from discovery."""
    found = []
    groups = [("/api/v1", "v1")]
    for group in k2d.api("GET", "/apis")[1]["groups"]:
        groups += [(f"/apis/{one['groupVersion']}", one["groupVersion"]) for one in group["versions"]]
    for prefix, version in groups:
        for resource in k2d.api("GET", prefix)[1]["resources"]:
            verbs = set(resource["verbs"]) & {"create", "update", "patch"}
            if not verbs:
                continue
            name, _, sub = resource["name"].partition("/")
            path = f"{prefix}/namespaces/fuzz/{name}" if resource["namespaced"] else f"{prefix}/{name}"
            found.append((path, sub, resource["kind"], version, verbs))
    return found


WORDS = ["metadata", "name", "namespace", "labels", "annotations", "spec", "status", "data", "template", "containers", "image", "ports", "port", "selector", "matchLabels",
         "replicas", "finalizers", "ownerReferences", "resourceVersion", "uid", "generateName", "env", "volumes", "rules", "subjects", "type", "kind", "apiVersion"]


def anything(chance, depth=0):
    choice = chance.randrange(9 if depth < 5 else 6)
    if choice == 0:
        return chance.choice([None, True, False])
    if choice == 1:
        return chance.choice([0, -1, 1, 65536, 2 ** 31, 2 ** 63, -2 ** 63, 10 ** 30])
    if choice == 2:
        return chance.choice([0.5, -1e300, 1e-300])
    if choice in (3, 4):
        return chance.choice(["", "a", "..", "1Gi", "-5", "1e9999", "9" * 40, "\u0000", "\ud83d\ude00", "x" * 300, "80", "http", "2020-01-01T00:00:00Z", "fuzz"])
    if choice == 5:
        return []
    if choice == 6:
        return [anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(WORDS): anything(chance, depth + 1) for _ in range(chance.randrange(5))}


def bend(chance, thing):
    """A valid object with a few of its values replaced."""
    thing = copy.deepcopy(thing)
    for _ in range(chance.randrange(1, 4)):
        node = thing
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(node[key], (dict, list)) and node[key] and chance.random() < 0.8:
                node = node[key]
                continue
            node[key] = anything(chance)
            break
    return thing


POD = {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "name": "p"}], "env": [{"name": "A", "value": "b"}], "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                       "livenessProbe": {"httpGet": {"port": "p", "path": "/"}, "periodSeconds": 5}, "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                       "securityContext": {"runAsUser": 5, "capabilities": {"drop": ["ALL"]}}}],
       "volumes": [{"name": "v", "configMap": {"name": "x", "items": [{"key": "k", "path": "p"}]}}], "tolerations": [{"operator": "Exists"}],
       "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}}}}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
SELECT = {"matchLabels": {"a": "b"}}
VALID = {"Pod": {"spec": POD}, "Deployment": {"spec": {"replicas": 1, "selector": SELECT, "template": TEMPLATE, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%"}}}},
         "ReplicaSet": {"spec": {"replicas": 1, "selector": SELECT, "template": TEMPLATE}}, "DaemonSet": {"spec": {"selector": SELECT, "template": TEMPLATE}},
         "StatefulSet": {"spec": {"serviceName": "s", "selector": SELECT, "template": TEMPLATE}},
         "Job": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}},
         "CronJob": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}}}},
         "Service": {"spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "p", "protocol": "TCP"}], "type": "NodePort"}},
         "ConfigMap": {"data": {"a": "b"}, "binaryData": {"c": "AAAA"}}, "Secret": {"type": "Opaque", "data": {"a": "AAAA"}, "stringData": {"b": "c"}},
         "PersistentVolumeClaim": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
         "PersistentVolume": {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}},
         "Ingress": {"spec": {"rules": [{"host": "a.b", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}},
         "NetworkPolicy": {"spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}},
         "Role": {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}, "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"port": 80}]}}


@steps("random bytes and JSON at every endpoint that writes")
def _():
    chance = random.Random(options.seed)
    k2d.api("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fuzz"}})
    found = endpoints()
    check(len(found) > 20, f"discovery names only {len(found)} that can be written")
    sent, statuses = 0, {}
    connection = k2d.connect(20)
    for path, sub, kind, version, verbs in found:
        for verb in sorted(verbs):
            for number in range(options.rounds):
                base = {"apiVersion": version, "kind": kind, "metadata": {"name": f"f{number % 3}"}, **VALID.get(kind, {"spec": {"a": "b"}})}
                shape = number % 5
                body = (chance.randbytes(chance.randrange(400)) if shape == 0 else json.dumps(anything(chance)).encode() if shape == 1
                        else json.dumps({**base, "metadata": anything(chance)}).encode() if shape == 2 else json.dumps(bend(chance, base)).encode())
                kinds = {"create": ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"], "update": ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"],
                         "patch": ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml"]}[verb]
                media = chance.choice(kinds)
                if media.endswith("protobuf") and shape == 0:
                    body = b"k8s\x00" + body
                if media.startswith("application/json-patch") and shape > 2:
                    body = json.dumps([{"op": chance.choice(["add", "remove", "replace", "test", "move", "x"]), "path": "/" + "/".join(chance.choice(WORDS + ["0", "-", "99"]) for _ in range(chance.randrange(4))),
                                        "from": "/spec", "value": anything(chance)}]).encode()
                # Nothing may touch what the run itself stands on.
                name = f"f{number % 3}"
                target = path if verb == "create" and not sub else f"{path}/{name}"
                target += "/" + sub if sub else ""
                if media in MAY_FAIL:
                    target += "?fieldManager=fuzz&force=true"
                method = {"create": "POST", "update": "PUT", "patch": "PATCH"}[verb]
                try:
                    connection.request(method, target, body, {"Content-Type": media})
                    answer = connection.getresponse()
                    content = answer.read()
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    if k2d.process.poll() is not None:
                        raise Ended(f"k2d ended with {k2d.process.returncode} after {method} {target} {media}: {body[:300]}\n{k2d.tail()}") from None
                    check(False, f"no answer to {method} {target} {media}: {error}: {body[:300]}")
                sent += 1
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
                numbers = b"resourceVersion" in body  # one that is no number is 500 in Kubernetes too
                numbers |= path.endswith("/bindings") or sub == "binding"  # and so are the mistakes of a Binding (shared/vectors, errors)
                check(answer.status < 500 or answer.status == 501 or (answer.status == 503 and sub == "proxy") or (answer.status == 500 and (media in MAY_FAIL or numbers)),
                      f"seed {options.seed}: {answer.status} to {method} {target} {media}: {body[:400]}\n{content[:400]}")
                check(answer.status < 400 or json.loads(content).get("kind") == "Status", f"no Status: {content[:200]}")
    connection.close()
    alive()
    return f"{sent} requests to {len(found)} endpoints, seed {options.seed}, " + ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))


@steps("what was kept can be listed, and k2d starts again from it")
def _():
    lists = sorted({path.replace("/namespaces/fuzz", "") for path, sub, _, _, _ in endpoints() if not sub})
    before = {}
    for path in lists:
        status, answer = k2d.api("GET", path)
        check(status in (200, 405), path, status, str(answer)[:200])
        before[path] = len(answer.get("items") or [])
    k2d.stop(signal.SIGKILL)
    k2d.start()
    for path, count in before.items():
        status, answer = k2d.api("GET", path)
        check(len(answer.get("items") or []) == count or path.endswith(("/events", "/leases")), path, "had", count, "objects, has", len(answer.get("items") or []))
    check(k2d.stop(signal.SIGTERM, 10) == 0, "exit status")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="k2d-bad-input-")
    k2d = K2d("--api-only", data=os.path.join(work, "data"), log=os.path.join(work, "k2d.log"), listen=f"127.0.0.1:{PORT}")
    try:
        steps.play()
    finally:
        k2d.stop(signal.SIGKILL)
        keep_log(k2d.log, "bad-input-k2d.log")
        shutil.rmtree(work)
    sys.exit(steps.summary())
