"""Helm as people use it: a chart as `helm create` makes it, and one with hooks and a custom resource definition."""
import base64
import gzip
import subprocess

from bed import Failed, check, columns, has, json, os, until

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: NAME}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: valves, singular: valve, kind: Valve}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {open: {type: boolean}}}}}}
"""
HOOK = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-before
  annotations: {"helm.sh/hook": pre-install, "helm.sh/hook-delete-policy": before-hook-creation}
data: {said: "{{ .Release.Revision }}"}
"""
PARTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data:
  level: {{ .Values.level | quote }}
  server: {{ .Capabilities.KubeVersion.Version | quote }}
  found: {{ (lookup "v1" "Namespace" "" "default").metadata.name | quote }}
  valves: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-pass}
stringData: {p: {{ .Values.level | quote }}}
"""
VALVE = """
apiVersion: GROUP/v1
kind: Valve
metadata: {name: {{ .Release.Name }}-main}
spec: {open: true}
"""


def register(steps, kc):
    major = {"37": "4", "30": "3"}[kc.release]

    def step(name):
        return steps(f"Helm {major}: {name}")

    def helm(*words, status=0, **more):
        done = subprocess.run(["helm", "-n", kc.name + "-helm", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, env=kc.environment(**more))
        if done.returncode != status:
            raise Failed(f"exit {done.returncode}: helm {' '.join(words)}\n{done.stdout}{done.stderr}")
        return done.stdout if status == 0 else done.stdout + done.stderr

    def put(chart, name, text):
        path = os.path.join(kc.home, chart, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text)

    def release(revision):
        """The release as Helm keeps it in a Secret."""
        secret = kc.get("secret", f"sh.helm.release.v1.web.v{revision}", "-n", kc.name + "-helm")
        check(secret["type"] == "helm.sh/release.v1" and secret["metadata"]["labels"]["owner"] == "helm", secret["metadata"])
        return json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))

    def deployment():
        return kc.get("deploy", "web", "-n", kc.name + "-helm")

    sets = ("--set", "autoscaling.enabled=true,ingress.enabled=true,service.type=NodePort")
    web = os.path.join(kc.home, "web")
    waiting = ("--wait", "--timeout", "40s")

    @step("install what helm create made, and wait")
    def _():
        os.makedirs(kc.home, exist_ok=True)
        done = subprocess.run(["helm", "create", web], env=kc.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        check(done.returncode == 0, done.stdout)
        shown = helm("install", "web", web, "--create-namespace", "--dry-run=server", *sets)
        has(shown, "STATUS: pending-install", "kind: Deployment", "kind: HorizontalPodAutoscaler")
        check(kc("get", "ns", kc.name + "-helm", "--ignore-not-found") == "", "the dry run made a namespace")
        with kc.running(kc.name + "-helm"):
            has(helm("install", "web", web, "--create-namespace", *waiting, *sets), "STATUS: deployed", "REVISION: 1")
        check(release(1)["info"]["status"] == "deployed")
        kinds = kc("get", "deploy,svc,sa,hpa,ingress", "-n", kc.name + "-helm", "-l", "app.kubernetes.io/instance=web", "-o", "name").split()
        check(len(kinds) == 5, kinds)
        check(any(one["manager"] == "helm" and one["operation"] == ("Apply" if major == "4" else "Update")
                  for one in json.loads(kc("get", "deploy", "web", "-n", kc.name + "-helm", "-o", "json", "--show-managed-fields"))["metadata"]["managedFields"]))
        has(helm("status", "web"), "STATUS: deployed")
        check([one["name"] for one in json.loads(helm("list", "-o", "json"))] == ["web"])
        check("already exists" in helm("install", "web", web, status=1) or "still in use" in helm("install", "web", web, status=1))

    @step("upgrade, history, rollback, get")
    def _():
        shown = helm("upgrade", "web", web, "--dry-run=server", *sets, "--set", "image.tag=2")
        has(shown, "image: \"nginx:2\"")
        with kc.running(kc.name + "-helm"):
            has(helm("upgrade", "web", web, *waiting, *sets, "--set", "image.tag=2"), "REVISION: 2")
            check(deployment()["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2")
            has(helm("upgrade", "web", web, *waiting, "--reuse-values", "--set", "ingress.enabled=false"), "REVISION: 3")
            check(kc("get", "ingress", "-n", kc.name + "-helm", "-o", "name") == "", "the ingress is not removed")
            has(helm("rollback", "web", "1", *waiting), "Rollback was a success")
        check(kc("get", "ingress", "-n", kc.name + "-helm", "-o", "name").strip() == "ingress.networking.k8s.io/web")
        image = deployment()["spec"]["template"]["spec"]["containers"][0]["image"]
        check(image != "nginx:2", image)
        history = json.loads(helm("history", "web", "-o", "json"))
        check([(one["revision"], one["status"]) for one in history] == [(1, "superseded"), (2, "superseded"), (3, "superseded"), (4, "deployed")], history)
        has(helm("get", "values", "web"), "enabled: true")
        has(helm("get", "manifest", "web"), "kind: Service")

    @step("an upgrade that the server refuses leaves the release")
    def _():
        said = helm("upgrade", "web", web, *sets, "--set", "service.port=99999", status=1)
        has(said, "spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535, inclusive")
        check(release(5)["info"]["status"] == "failed")
        with kc.running(kc.name + "-helm"):
            has(helm("upgrade", "web", web, *waiting, *sets), "STATUS: deployed")

    @step("a chart with hooks, lookups and custom resources")
    def _():
        group = f"plant-{kc.name}.example"
        name = f"valves.{group}"
        put("own", "Chart.yaml", "apiVersion: v2\nname: own\nversion: 0.1.0\n")
        put("own", "values.yaml", "level: info\n")
        put("own", "templates/hook.yaml", HOOK)
        put("own", "templates/parts.yaml", PARTS)
        if has_definitions(kc):
            put("own", "crds/valves.yaml", CRD.replace("NAME", name).replace("GROUP", group))
            put("own", "templates/valve.yaml", VALVE.replace("GROUP", group))
        own = os.path.join(kc.home, "own")
        helm("install", "own", own)
        data = kc.get("cm", "own-settings", "-n", kc.name + "-helm")["data"]
        check(data["found"] == "default" and data["server"].startswith("v1.37") and data["valves"] == "true", data)
        check(kc.get("cm", "own-before", "-n", kc.name + "-helm")["data"]["said"] == "1")
        helm("upgrade", "own", own, "--set", "level=debug")
        check(kc.get("cm", "own-settings", "-n", kc.name + "-helm")["data"]["level"] == "debug")
        secret = kc.get("secret", "own-pass", "-n", kc.name + "-helm")["data"]["p"]
        check(base64.b64decode(secret) == b"debug", secret)
        if has_definitions(kc):
            check(kc.get(name, "own-main", "-n", kc.name + "-helm")["spec"]["open"] is True)
        has(helm("uninstall", "own"), 'release "own" uninstalled')
        check(kc("get", "cm", "own-settings", "-n", kc.name + "-helm", "--ignore-not-found") == "")
        if has_definitions(kc):
            kc("delete", "crd", name)
        else:
            return "no custom resources yet"

    @step("uninstall")
    def _():
        has(helm("uninstall", "web", "--wait", "--timeout", "30s"), 'release "web" uninstalled')
        left = kc("get", "deploy,rs,pods,svc,sa,hpa,ingress", "-n", kc.name + "-helm", "-l", "app.kubernetes.io/instance=web", "-o", "name").split()
        until(10, lambda: not kc("get", "rs,pods", "-n", kc.name + "-helm", "-o", "name"), "its pods are gone")
        check(not [one for one in left if not one.startswith(("pod/", "replicaset"))], left)
        check(kc("get", "secrets", "-n", kc.name + "-helm", "-o", "name") == "", "release Secrets are left")
        kc("delete", "ns", kc.name + "-helm", "--timeout=20s")


def has_definitions(kc):
    return any(row[0] == "customresourcedefinitions" for row in columns(kc("api-resources", "--api-group=apiextensions.k8s.io")))
