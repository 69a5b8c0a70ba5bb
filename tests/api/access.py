#!/usr/bin/env python3
"""Who may do what, as the people who run a cluster see it: certificates that are asked for and approved, bearer tokens,
tokens of service accounts, roles that add up, the log of writes, health and figures. One k2d with its controllers and no
engine (`--engine none`), kubectl 1.37, openssl, and the verbs of k2d itself.
"""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testbed"))
from testbed import K2d, Steps, check, keep_log, run, until

steps = Steps()
PORT = 16446
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CSR = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNER = "kubernetes.io/kube-apiserver-client"


# === who asks ===

def ask(path, method="GET", body=None, token=None, pair=None, headers=None):
    """A request with other credentials than the administrator's: status, body, media type."""
    context = ssl.create_default_context(cafile=os.path.join(k2d.data, "pki", "ca.crt"))
    if pair:
        context.load_cert_chain(*pair)
    connection = http.client.HTTPSConnection("127.0.0.1", PORT, timeout=10, context=context)
    try:
        data = json.dumps(body).encode() if body is not None else None
        head = {"Content-Type": "application/json", **(headers or {})}
        if token:
            head["Authorization"] = "Bearer " + token
        connection.request(method, path, data, head)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers.get("Content-Type")
    finally:
        connection.close()


def who(**credentials):
    status, body, _ = ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", "POST",
                          {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}, **credentials)
    return json.loads(body)["status"]["userInfo"] if status == 201 else status


def verb(*words, ok=True):
    """One of k2d's own verbs, on the same data folder."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("K2D_")}
    # A second stream for the remark that goes with a new token.
    done = subprocess.run([k2d.binary(), *words, "--data-dir", k2d.data], env={**env, "K2D_API__LISTEN": f"127.0.0.1:{PORT}"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    if ok:
        check(done.returncode == 0, words, done.stderr)
    return done.stdout if ok else done.returncode


def api(method, path, body=None, want=200):
    status, answer = k2d.api(method, path, body)
    check(status == want, method, path, status, answer)
    return answer


def review(token, **spec):
    return api("POST", "/apis/authentication.k8s.io/v1/tokenreviews",
               {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, **spec}}, 201)["status"]


def request_token(account, **spec):
    answer = api("POST", f"/api/v1/namespaces/default/serviceaccounts/{account}/token",
                 {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}, 201)
    return answer["status"]["token"]


def audit(**fields):
    """The lines of the log of writes with these fields."""
    with open(k2d.log, errors="replace") as log:
        lines = [line for line in log if " audit " in line]
    has = lambda line, key, value: f"{key}={json.dumps(value)}" in line
    return [line for line in lines if all(has(line, key, value) for key, value in fields.items())]


def csr(name, subject, signer=SIGNER, usages=("client auth",), seconds=None):
    """A request for a certificate: its object, and the file of the key."""
    key, text = os.path.join(work, name + ".key"), os.path.join(work, name + ".csr")
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", subject, "-out", text)
    with open(text, "rb") as request:
        spec = {"request": base64.b64encode(request.read()).decode(), "signerName": signer, "usages": list(usages)}
    if seconds:
        spec["expirationSeconds"] = seconds
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name}, "spec": spec}, key


# === the steps ===

@steps("k2d starts", vital=True)
def _():
    k2d.start()
    until(10, lambda: k2d.api("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200, "account default")


@steps("the administrator is kubernetes-admin, and admin where the API alone is served")
def _():
    user = api("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
               {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}, 201)["status"]["userInfo"]
    check(user["username"] == "kubernetes-admin" and "system:masters" in user["groups"], user)
    view = json.loads(k2d.kubectl("config", "view", "-o", "json"))
    check(view["users"][0]["name"] == "kubernetes-admin", view)
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    other = K2d("--api-only", data=os.path.join(work, "bare"), log=os.path.join(work, "bare.log"), listen=place)
    try:
        other.start()
        check("admin" in other.kubectl("auth", "whoami").split(), "the name in tests")
    finally:
        other.stop(signal.SIGTERM)


@steps("a certificate: asked for, approved with kubectl, and used in a kubeconfig")
def _():
    object, key = csr("olga", "/O=ops/O=shift-2/CN=olga", seconds=7200)
    made = api("POST", CSR, object, 201)
    check(made["spec"]["username"] == "kubernetes-admin" and "system:masters" in made["spec"]["groups"], made["spec"])
    check("Pending" in k2d.kubectl("get", "csr", "olga"), "condition")
    k2d.kubectl("certificate", "approve", "olga")
    certificate = until(5, lambda: k2d.get("csr", "olga")["status"].get("certificate"), "a certificate")
    crt = os.path.join(work, "olga.crt")
    with open(crt, "wb") as file:
        file.write(base64.b64decode(certificate))
    check("Approved,Issued" in k2d.kubectl("get", "csr", "olga"), "condition")
    user = who(pair=(crt, key))
    check((user["username"], user["groups"]) == ("olga", ["ops", "shift-2", "system:authenticated"]), user)
    ends = run("openssl", "x509", "-in", crt, "-noout", "-enddate")[1].split("=")[1].strip()
    left = ssl.cert_time_to_seconds(ends) - time.time()
    check(7000 < left <= 7200, "seconds that are left:", left)
    config = os.path.join(work, "olga.kubeconfig")
    shutil.copy(k2d.kubeconfig, config)
    kubectl = lambda *words, **more: run(os.path.join(k2d.tools, "kubectl"), "--kubeconfig", config, *words, **more)
    kubectl("config", "set-credentials", "olga", "--client-certificate", crt, "--client-key", key)
    kubectl("config", "set-context", "--current", "--user", "olga")
    status, text = kubectl("get", "pods", ok=False)
    check(status != 0 and 'User "olga" cannot list resource "pods"' in text, text)
    k2d.kubectl("create", "rolebinding", "ops-view", "--clusterrole", "view", "--group", "ops")
    check("No resources found" in kubectl("get", "pods")[1], "a role for the group")


@steps("a certificate is refused: denied, for administrators, for kubelets, with wrong usages")
def _():
    object, _ = csr("denied", "/CN=x")
    api("POST", CSR, object, 201)
    k2d.kubectl("certificate", "deny", "denied")
    status, answer = k2d.api("PUT", CSR + "/denied/approval", {
        **k2d.get("csr", "denied"), "status": {"conditions": [{"type": "Approved", "status": "True", "reason": "x"}]}})
    check(status == 422 and 'may not remove a condition of type "Denied"' in answer["message"], status, answer)
    object, _ = csr("masters", "/O=system:masters/CN=x")
    answer = api("POST", CSR, object, 403)
    check(answer["message"].endswith(f"use of {SIGNER} signer with system:masters group is not allowed"), answer["message"])
    for name, signer, usages, words in (("kubelet", "kubernetes.io/kubelet-serving", ("digital signature", "server auth"), "no kubelet"),
                                        ("usages", SIGNER, ("client auth", "server auth"), "invalid usage for client certificate: server auth")):
        object, _ = csr(name, "/O=system:nodes/CN=system:node:x", signer, usages)
        api("POST", CSR, object, 201)
        k2d.kubectl("certificate", "approve", name)
        conditions = until(5, lambda: [one for one in k2d.get("csr", name)["status"]["conditions"] if one["type"] == "Failed"], "Failed")
        check(words in conditions[0]["message"] and conditions[0]["reason"] == "SignerValidationFailure", conditions)
    object, _ = csr("broken", "/CN=x", "plant.example/signer")
    body = bytearray(base64.b64decode(object["spec"]["request"]))
    object["spec"]["request"] = base64.b64encode(body[:len(body) // 2]).decode()
    answer = api("POST", CSR, object, 422)
    check(answer["details"]["causes"][0]["field"] == "spec.request", answer)


@steps("nobody approves for a signer without the right for it")
def _():
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "half-approver"},
            "rules": [{"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests", "certificatesigningrequests/approval", "certificatesigningrequests/status"],
                       "verbs": ["*"]}]}
    api("POST", RBAC + "/clusterroles", role, 201)
    k2d.kubectl("create", "clusterrolebinding", "half-approver", "--clusterrole", "half-approver", "--user", "ivan")
    object, _ = csr("pending", "/CN=x")
    api("POST", CSR, object, 201)
    status, text = k2d.kubectl("--as", "ivan", "certificate", "approve", "pending", ok=False)
    check(status != 0 and f'user not permitted to approve requests with signerName "{SIGNER}"' in text, text)
    role["rules"].append({"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": ["kubernetes.io/*"], "verbs": ["approve"]})
    api("PUT", RBAC + "/clusterroles/half-approver", role)
    k2d.kubectl("--as", "ivan", "certificate", "approve", "pending")


@steps("a bearer token holds at once, is known to reviews, and ends when it is revoked")
def _():
    token = verb("token", "create", "petra", "--group", "ops", "--group", "shift-1", "--expires", "2h").strip()
    user = who(token=token)
    check((user["username"], user["groups"]) == ("petra", ["ops", "shift-1", "system:authenticated"]), user)
    status = review(token)
    check(status["authenticated"] and status["user"]["username"] == "petra", status)
    check(not review(token, audiences=["mqtt"]).get("authenticated"), "another audience")
    check(ask("/api/v1/namespaces/default/pods", token=token)[0] == 200, "the role of the group")
    check(ask("/api/v1/namespaces/default/secrets", token=token)[0] == 403, "no more than that")
    listed = verb("token", "list")
    line = [line.split() for line in listed.splitlines() if "petra" in line][0]
    check(line[2] == "ops,shift-1" and token.rsplit("_", 1)[1] not in listed, listed)
    kept = os.path.join(k2d.data, "pki", "tokens.json")
    with open(kept) as file:
        check(token.rsplit("_", 1)[1] not in file.read() and os.stat(kept).st_mode & 0o777 == 0o600, "the file")
    short = verb("token", "create", "petra", "--expires", "1s").strip()
    until(5, lambda: who(token=short) == 401, "the end of the short one")
    verb("token", "revoke", line[0])
    check(who(token=token) == 401, "after it was revoked")
    check(verb("token", "revoke", line[0], ok=False) == 1, "revoked twice")
    check(verb("token", "create", "system:admin", ok=False) == 64, "a name of the system")


@steps("a token of an account lives and dies with what it is bound to")
def _():
    k2d.kubectl("create", "serviceaccount", "robot")
    api("POST", "/api/v1/namespaces/default/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "arm"}, "spec": {
        "serviceAccountName": "robot", "containers": [{"name": "c", "image": "x"}]}}, 201)
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "arm"}
    token = request_token("robot", boundObjectRef=reference)
    extra = who(token=token)["extra"]
    check(extra["authentication.kubernetes.io/pod-name"] == ["arm"] and extra["authentication.kubernetes.io/credential-id"][0].startswith("JTI="), extra)
    answer = api("POST", "/api/v1/namespaces/default/serviceaccounts/default/token",
                 {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": reference}}, 400)
    check("different serviceaccount name" in answer["message"], answer["message"])
    api("POST", "/api/v1/namespaces/default/serviceaccounts/robot/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": {**reference, "uid": "other"}}}, 409)
    k2d.kubectl("delete", "pod", "arm", "--force", "--grace-period=0")
    check(who(token=token) == 401, "after its pod")
    for_mqtt = request_token("robot", audiences=["mqtt"])
    check(who(token=for_mqtt) == 401, "for another audience")
    check(review(for_mqtt, audiences=["mqtt", "x"]).get("audiences") == ["mqtt"], "its audience")
    token = k2d.kubectl("create", "token", "robot", "--duration", "20m").strip()
    check(who(token=token)["username"] == "system:serviceaccount:default:robot", "kubectl create token")
    check(who(token=verb("token", "account", "robot").strip())["username"] == "system:serviceaccount:default:robot", "k2d token account")
    k2d.kubectl("delete", "serviceaccount", "robot")
    check(who(token=token) == 401, "after its account")


@steps("a token Secret is filled in, works, and goes with its account")
def _():
    k2d.kubectl("create", "serviceaccount", "old-robot")
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
              "metadata": {"name": "old-robot-token", "annotations": {"kubernetes.io/service-account.name": "old-robot"}}}
    api("POST", "/api/v1/namespaces/default/secrets", secret, 201)
    data = until(5, lambda: k2d.get("secret", "old-robot-token").get("data"), "data")
    check(base64.b64decode(data["namespace"]) == b"default" and b"BEGIN CERTIFICATE" in base64.b64decode(data["ca.crt"]), data.keys())
    token = base64.b64decode(data["token"]).decode()
    check(who(token=token)["username"] == "system:serviceaccount:default:old-robot", "who")
    k2d.kubectl("delete", "serviceaccount", "old-robot")
    until(5, lambda: k2d.api("GET", "/api/v1/namespaces/default/secrets/old-robot-token")[0] == 404, "the end of the Secret")
    check(who(token=token) == 401, "after its account")


@steps("keys by which others check tokens, for accounts and not for strangers")
def _():
    k2d.kubectl("create", "serviceaccount", "reader")
    token = request_token("reader")
    status, body, media = ask("/.well-known/openid-configuration", token=token)
    document = json.loads(body)
    check(status == 200 and media == "application/json" and document["jwks_uri"].endswith("/openid/v1/jwks"), status, body)
    status, body, media = ask("/openid/v1/jwks", token=token)
    check(status == 200 and media == "application/jwk-set+json", status, media)
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    check([key["kid"] for key in json.loads(body)["keys"]] == [header["kid"]], body)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))
    check(claims["iss"] == document["issuer"], claims)
    check(ask("/openid/v1/jwks")[0] == 401, "a stranger")


@steps("strangers get the health and version paths and nothing else")
def _():
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        check(ask(path)[0] == 200, path)
    for path in ("/", "/api", "/metrics", "/openapi/v3", "/readyz/ping", "/.well-known/openid-configuration", "/api/v1/pods"):
        status, body, _ = ask(path)
        check(status == 401 and json.loads(body)["message"] == "Unauthorized", path, status, body[:100])


@steps("cluster roles add up: who may view may view what an operator brings")
def _():
    token = verb("token", "create", "viewer").strip()
    k2d.kubectl("create", "clusterrolebinding", "viewer", "--clusterrole", "view", "--user", "viewer")
    path = "/apis/storage.k8s.io/v1/storageclasses"
    check(ask(path, token=token)[0] == 403, "before")
    api("POST", RBAC + "/clusterroles", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "classes-view", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["get", "list"]}]}, 201)
    until(5, lambda: ask(path, token=token)[0] == 200, "the right through `view`")
    until(5, lambda: any("storageclasses" in rule.get("resources", []) for rule in k2d.get("clusterrole", "admin")["rules"]), "and through `admin`")
    k2d.kubectl("delete", "clusterrole", "classes-view")
    until(5, lambda: ask(path, token=token)[0] == 403, "its end")


@steps("nobody gives away more than one has")
def _():
    k2d.kubectl("create", "clusterrolebinding", "boss", "--clusterrole", "admin", "--user", "boss")
    status, text = k2d.kubectl("--as", "boss", "create", "role", "nodes", "--verb", "create", "--resource", "pods,secrets", ok=False)
    check(status == 0, text)
    status, text = k2d.kubectl("--as", "boss", "create", "role", "greedy", "--verb", "escalate", "--resource", "roles", ok=False)
    check(status != 0 and "attempting to grant RBAC permissions not currently held" in text, text)
    status, text = k2d.kubectl("--as", "boss", "create", "rolebinding", "greedy", "--clusterrole", "cluster-admin", "--user", "boss", ok=False)
    check(status != 0 and "attempting to grant RBAC permissions not currently held" in text, text)


@steps("roles that were changed come back at a start, unless they are marked")
def _():
    rules = k2d.get("clusterrole", "system:basic-user")["rules"]
    k2d.kubectl("patch", "clusterrole", "system:basic-user", "--type=json", "-p", '[{"op":"replace","path":"/rules","value":[]}]')
    k2d.kubectl("annotate", "--overwrite", "clusterrole", "system:monitoring", "rbac.authorization.kubernetes.io/autoupdate=false")
    k2d.kubectl("patch", "clusterrole", "system:monitoring", "--type=json", "-p", '[{"op":"replace","path":"/rules","value":[]}]')
    k2d.stop(signal.SIGTERM)
    k2d.start()
    check(k2d.get("clusterrole", "system:basic-user")["rules"] == rules, "mended")
    check(not k2d.get("clusterrole", "system:monitoring").get("rules"), "left as it is")


@steps("kubectl auth can-i, for oneself and for others")
def _():
    check(k2d.kubectl("auth", "can-i", "create", "pods").strip() == "yes", "oneself")
    status, text = k2d.kubectl("--as", "olga", "--as-group", "ops", "auth", "can-i", "delete", "pods", ok=False)
    check(status != 0 and text.strip() == "no", text)
    text = k2d.kubectl("--as", "olga", "--as-group", "ops", "--as-group", "system:authenticated", "auth", "can-i", "--list")
    check(re.search(r"selfsubjectaccessreviews\.authorization\.k8s\.io\s+\[\]\s+\[\]\s+\[create\]", text), text)


@steps("every write leaves a line: who, as whom, what, from where, and the verdict")
def _():
    token = verb("token", "create", "writer").strip()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"generateName": "audit-"}, "stringData": {"password": "never-logged"}}
    made = api("POST", "/api/v1/namespaces/default/secrets", secret, 201)["metadata"]["name"]
    check(audit(user="kubernetes-admin", verb="create", resource="secrets", namespace="default", object=made, source="127.0.0.1", verdict="allowed"), "a create")
    check(ask(f"/api/v1/namespaces/default/secrets/{made}", "DELETE", token=token)[0] == 403, "refused")
    check(audit(user="writer", verb="delete", object=made, verdict="refused"), "a refusal")
    k2d.kubectl("create", "rolebinding", "keeper", "--clusterrole", "edit", "--user", "keeper")
    k2d.kubectl("--as", "keeper", "delete", "secret", made)
    check(audit(user="kubernetes-admin", as_user="keeper", verb="delete", object=made, verdict="allowed"), "as somebody else")
    check(ask("/api/v1/namespaces/default/secrets", "POST", secret)[0] == 401, "a stranger")
    check(["code=401" in line for line in audit(user="system:anonymous", verb="create", resource="secrets", verdict="refused")] == [True], "a stranger's try")
    before = len(audit())
    k2d.kubectl("get", "pods", "-A")
    k2d.kubectl("auth", "can-i", "create", "pods")
    check(len(audit()) == before, "reads and questions leave none")
    with open(k2d.log, errors="replace") as log:
        text = log.read()
    check("never-logged" not in text and token.rsplit("_", 1)[1] not in text, "no body and no credential")


@steps("figures in Prometheus' text, for those who may")
def _():
    token = verb("token", "create", "prometheus").strip()
    check(ask("/metrics", token=token)[0] == 403, "without the right")
    k2d.kubectl("create", "clusterrole", "scrape", "--verb", "get", "--non-resource-url", "/metrics")
    k2d.kubectl("create", "clusterrolebinding", "scrape", "--clusterrole", "scrape", "--user", "prometheus")
    watch = subprocess.Popen([os.path.join(k2d.tools, "kubectl"), "--kubeconfig", k2d.kubeconfig, "get", "configmaps", "-w"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        running = re.compile(r'^apiserver_longrunning_requests\{.*resource="configmaps".*verb="WATCH".*\} 1$', re.M)
        until(5, lambda: running.search(ask("/metrics", token=token)[1].decode()), "the watch")
    finally:
        watch.terminate()
        watch.wait()
    status, body, media = ask("/metrics", token=token)
    text = body.decode()
    check(status == 200 and media.startswith("text/plain; version=0.0.4"), status, media)
    for line in text.splitlines():
        check(re.fullmatch(r'# (HELP|TYPE) \S+ .+|[a-z_0-9]+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? [0-9.e+-]+', line), line)
    for name in ("apiserver_request_total", "apiserver_request_duration_seconds_bucket", "apiserver_current_inflight_requests", "apiserver_storage_objects",
                 "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "k2d_store_revision", "k2d_store_watchers", "kubernetes_build_info"):
        check(f"\n{name}" in text, name)
    check(re.search(r'apiserver_request_total\{code="403",.*resource="secrets".*verb="DELETE"', text), "the refusal of before")
    check(re.search(r'apiserver_storage_objects\{resource="namespaces"\} \d+', text), "objects")
    lines = len(text.splitlines())
    for number in range(300):
        k2d.api("GET", f"/apis/no.such.group.{number}/v1/things", raw=True)
    check(len(ask("/metrics", token=token)[1].decode().splitlines()) - lines < 40, "strange paths make no series")
    return f"{len(text)} bytes, {lines} lines"


@steps("health: each check, left out or single, and the list of paths")
def _():
    status, text = k2d.api("GET", "/readyz?verbose", raw=True)
    lines = text.decode().splitlines()
    check(status == 200 and lines[0] == "[+]ping ok" and "[+]store ok" in lines and lines[-1] == "readyz check passed", text)
    status, text = k2d.api("GET", "/livez?verbose&exclude=etcd&exclude=none", raw=True)
    check(b"[+]store excluded: ok\n" in text and b'no matches for "none"' in text and text.endswith(b"livez check passed\n"), text)
    for path, code in (("/readyz/etcd", 200), ("/livez/ping", 200), ("/healthz/poststarthook/rbac/bootstrap-roles", 200), ("/readyz/no", 404)):
        check(k2d.api("GET", path, raw=True)[0] == code, path)
    check(k2d.kubectl("get", "--raw", "/readyz").strip() == "ok", "kubectl")
    paths = json.loads(k2d.kubectl("get", "--raw", "/"))["paths"]
    check(paths == sorted(paths) and {"/api/v1", "/apis/apps/v1", "/metrics", "/readyz/ping", "/openapi/v3"} <= set(paths), paths)


if __name__ == "__main__":
    work = tempfile.mkdtemp(prefix="k2d-access-")
    k2d = K2d("--engine", "none", data=os.path.join(work, "data"), log=os.path.join(work, "k2d.log"), listen=f"127.0.0.1:{PORT}")
    try:
        steps.play(only=sys.argv[1:])
    finally:
        k2d.stop(signal.SIGKILL)
        keep_log(k2d.log, "access-k2d.log")
        shutil.rmtree(work)
    sys.exit(steps.summary())
