"""Every everyday verb of kubectl, each with what a user would look at afterwards."""
import base64
import stat
import threading

from bed import check, columns, has, json, os, until

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1.27
        ports: [{containerPort: 80, name: http}]
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1', b: '2'}\n"


def register(steps, kc):
    def step(name):
        return steps(f"kubectl 1.{kc.release}: {name}")

    def file(name, text, mode=0o644):
        path = os.path.join(kc.home, name)
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, mode)
        return path

    @step("version, cluster-info, api-versions, api-resources")
    def _():
        kc.said(f"namespace/{kc.name} created", "create", "namespace", kc.name)
        until(5, lambda: kc.k2d.api("GET", f"/api/v1/namespaces/{kc.name}/serviceaccounts/default")[0] == 200, "the default service account")
        version = json.loads(kc("version", "-o", "json"))
        check(version["serverVersion"]["minor"].startswith("37") and version["clientVersion"]["minor"] == kc.release, version)
        has(kc("cluster-info"), f"https://127.0.0.1:{kc.k2d.port}")
        versions = kc("api-versions").split()
        check({"v1", "apps/v1", "batch/v1", "autoscaling/v2", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1", "policy/v1"} <= set(versions), versions)
        rows = {row[0]: row[1:] for row in columns(kc("api-resources"))}
        check(rows["deployments"] == ["deploy", "apps/v1", "true", "Deployment"], rows.get("deployments"))
        check(rows["namespaces"] == ["ns", "v1", "false", "Namespace"], rows.get("namespaces"))
        check(len(rows) > 50, f"{len(rows)} resources")
        check("pods" in kc("api-resources", "--namespaced", "-o", "name", "--verbs", "list,watch").split())
        check("deployments.apps" in kc("api-resources", "--categories", "all", "-o", "name").split())
        check("pods" not in kc("api-resources", "--api-group", "apps", "-o", "name").split())

    @step("create from a file and by generators")
    def _():
        kc.said("configmap/settings created", "create", "-f", "-", text=CONFIG)
        has(kc.refused("create", "-f", "-", text=CONFIG), 'Error from server (AlreadyExists): error when creating "STDIN": configmaps "settings" already exists')
        kc.said("configmap/made created", "create", "configmap", "made", "--from-literal=k=v", f"--from-file={file('f.txt', 'text')}")
        check(kc.get("cm", "made")["data"] == {"k": "v", "f.txt": "text"})
        kc.said("secret/pass created", "create", "secret", "generic", "pass", "--from-literal=p=hunter2")
        check(base64.b64decode(kc.path("{.data.p}", "secret", "pass")) == b"hunter2")
        kc.said("secret/reg created", "create", "secret", "docker-registry", "reg", "--docker-server=r.example", "--docker-username=u", "--docker-password=p")
        check(kc.path("{.type}", "secret", "reg") == "kubernetes.io/dockerconfigjson")
        kc.said("deployment.apps/made created", "create", "deployment", "made", "--image=nginx", "--replicas=1")
        kc.said("job.batch/once created", "create", "job", "once", "--image=busybox", "--", "true")
        kc.said("cronjob.batch/nightly created", "create", "cronjob", "nightly", "--image=busybox", "--schedule=0 3 * * *", "--", "true")
        kc.said("job.batch/now created", "create", "job", "now", "--from=cronjob/nightly")
        check(kc.path("{.metadata.ownerReferences[0].name}", "job", "now") == "nightly")
        kc.said("service/inner created", "create", "service", "clusterip", "inner", "--tcp=80:8080")
        kc.said("service/outer created", "create", "service", "nodeport", "outer", "--tcp=80")
        kc.said("ingress.networking.k8s.io/way created", "create", "ingress", "way", "--rule=a.example/*=inner:80")
        kc.said("serviceaccount/robot created", "create", "serviceaccount", "robot")
        kc.said("role.rbac.authorization.k8s.io/reader created", "create", "role", "reader", "--verb=get,list", "--resource=pods,configmaps")
        kc.said("rolebinding.rbac.authorization.k8s.io/readers created", "create", "rolebinding", "readers", "--role=reader", f"--serviceaccount={kc.name}:robot")
        kc.said("clusterrole.rbac.authorization.k8s.io/" + kc.name + " created", "create", "clusterrole", kc.name, "--verb=get", "--resource=nodes")
        kc.said("clusterrolebinding.rbac.authorization.k8s.io/" + kc.name + " created", "create", "clusterrolebinding", kc.name, f"--clusterrole={kc.name}", "--user=jane")
        kc.said("poddisruptionbudget.policy/budget created", "create", "pdb", "budget", "--selector=app=web", "--min-available=1")
        kc.said("resourcequota/quota created", "create", "quota", "quota", "--hard=configmaps=50")
        kc.said("priorityclass.scheduling.k8s.io/" + kc.name + " created", "create", "priorityclass", kc.name, "--value=7")
        kc.said("pod/lone created", "run", "lone", "--image=busybox", "--labels=run=lone", "--env=A=B", "--port=90", "--", "sleep", "9")
        check(kc.path("{.spec.containers[0].args}", "pod", "lone") == '["sleep","9"]')
        kc.said("deployment.apps/web created", "create", "-f", "-", "--save-config", text=DEPLOYMENT)

    @step("create without effect: dry runs, and what is wrong")
    def _():
        kc.said("configmap/never created (dry run)", "create", "configmap", "never", "--dry-run=client")
        shown = json.loads(kc("create", "-f", "-", "--dry-run=server", "-o", "json", text=CONFIG.replace("settings", "never")))
        check(shown["metadata"]["uid"] and shown["metadata"]["namespace"] == kc.name, shown)
        check(kc.refused("get", "cm", "never") == 'Error from server (NotFound): configmaps "never" not found')
        has(kc.refused("create", "-f", "-", text=CONFIG.replace("data:", "date:").replace("settings", "never")), 'unknown field "date"')
        has(kc.refused("create", "-f", "-", text=DEPLOYMENT.replace("name: web,", "name: We_b,")), 'The Deployment "We_b" is invalid: metadata.name: Invalid value: "We_b"')
        has(kc.refused("get", "nonsense"), 'error: the server doesn\'t have a resource type "nonsense"')
        has(kc.refused("create", "-f", "-", text="apiVersion: some.example/v1\nkind: Thing\nmetadata: {name: a}\n"), 'no matches for kind "Thing" in version "some.example/v1"')

    @step("get in every form of output")
    def _():
        rows = columns(kc("get", "deployment", "web"))
        check(rows[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"] and rows[1][:2] == ["web", "0/2"], rows)
        wide = columns(kc("get", "deploy/web", "-o", "wide"))
        check(wide[0][-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"] and wide[1][-3:] == ["web", "nginx:1.27", "app=web"], wide)
        kc.said("deployment.apps/web", "get", "deploy", "web", "-o", "name")
        has(kc("get", "deploy", "web", "-o", "yaml"), "apiVersion: apps/v1\n", "kind: Deployment\n", "image: nginx:1.27\n")
        kc.said("nginx:1.27", "get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image}")
        kc.said("nginx:1.27", "get", "deploy", "web", "-o", "go-template={{range .spec.template.spec.containers}}{{.image}}{{end}}")
        check(columns(kc("get", "deploy", "web", "-o", "custom-columns=A:.metadata.name,N:.spec.replicas")) == [["A", "N"], ["web", "2"]])
        check("managedFields" not in kc.get("deploy", "web")["metadata"])
        check(json.loads(kc("get", "deploy", "web", "-o", "json", "--show-managed-fields"))["metadata"]["managedFields"])
        check({"deployment.apps/web", "pod/lone", "service/inner", "job.batch/once", "cronjob.batch/nightly"} <= set(kc("get", "all", "-o", "name").split()))
        pairs = kc("get", "cm,secrets", "-o", "name").split()
        check("configmap/settings" in pairs and "secret/pass" in pairs, pairs)
        check(columns(kc("get", "pods", "-l", "run=lone", "--show-labels"))[1][-1] == "run=lone")
        check(columns(kc("get", "pods", "-l", "run in (lone)", "-L", "run"))[1][-1] == "lone")
        check(kc("get", "pods", "-l", "run notin (lone),run", "-o", "name") == "")
        kc.said("pod/lone", "get", "pods", "--field-selector", "metadata.name=lone", "-o", "name")
        names = kc("get", "cm", "--sort-by=.metadata.name", "-o", "jsonpath={.items[*].metadata.name}").split()
        check(names == sorted(names) and "settings" in names, names)
        check(any(row[:2] == [kc.name, "settings"] for row in columns(kc("get", "cm", "-A"))))
        check("settings" in kc("get", "cm", "--chunk-size=1"))
        check("2" == kc("get", "--raw", f"/apis/apps/v1/namespaces/{kc.name}/deployments/web/scale").split('"spec":{"replicas":')[1][0])
        has(kc("get", "deploy", "web", "--subresource=status", "-o", "yaml"), "kind: Deployment")
        out, said = kc.split("get", "pods", "-l", "none=here")
        check(out == "" and said == f"No resources found in {kc.name} namespace.\n", out, said)
        kc.said("", "get", "pod", "nobody", "--ignore-not-found")

    @step("get -w and wait")
    def _():
        watch = kc.start("get", "cm", "-w", "--output-watch-events", "-o", "custom-columns=E:.type,N:.object.metadata.name,V:.object.data.v")
        rows = []
        reader = threading.Thread(target=lambda: rows.extend(line.split() for line in watch.stdout))
        reader.start()
        until(10, lambda: any("settings" in row for row in rows), "the first objects")
        kc("create", "cm", "seen", "--from-literal=v=1")
        kc("patch", "cm", "seen", "--type=merge", "-p", '{"data":{"v":"2"}}')
        kc("delete", "cm", "seen")
        until(10, lambda: ["DELETED", "seen", "2"] in rows, "the deletion")
        watch.terminate()
        watch.wait()
        reader.join()
        check([row for row in rows if "seen" in row] == [["ADDED", "seen", "1"], ["MODIFIED", "seen", "2"], ["DELETED", "seen", "2"]], rows)
        table = kc.start("get", "pods", "-l", "run=lone", "--watch-only=false", "-w")
        lines = []
        second = threading.Thread(target=lambda: lines.extend(line.split() for line in table.stdout))
        second.start()
        until(10, lambda: len(lines) > 1, "the table's first row")
        waiting = kc.start("wait", "--for=condition=Ready", "pod/lone", "--timeout=20s")
        kc.run_pods("run%3Dlone")
        out = waiting.communicate(timeout=30)[0]
        check(waiting.returncode == 0 and out == "pod/lone condition met\n", out)
        until(10, lambda: any(row[:3] == ["lone", "1/1", "Running"] for row in lines), "the running pod in the watch")
        table.terminate()
        second.join()
        table.wait()
        kc.said("pod/lone condition met", "wait", "--for=jsonpath={.status.phase}=Running", "pod/lone", "--timeout=5s")
        has(kc.refused("wait", "--for=condition=Ready", "pod", "-l", "app=made", "--timeout=1s"), "timed out waiting for the condition")
        leaving = kc.start("wait", "--for=delete", "pod/lone", "--timeout=20s")
        kc("delete", "pod", "lone", "--now")
        out = leaving.communicate(timeout=30)[0]
        check(leaving.returncode == 0, out)

    @step("apply, diff and apply again, by the client")
    def _():
        has(kc("apply", "-f", "-", text=CONFIG.replace("settings", "applied")), "configmap/applied created")
        kc.said("configmap/applied unchanged", "apply", "-f", "-", text=CONFIG.replace("settings", "applied"))
        changed = CONFIG.replace("settings", "applied").replace("b: '2'", "c: '3'")
        out, _ = kc.split("diff", "-f", "-", text=changed, status=1)
        has(out, "-  b: \"2\"", "+  c: \"3\"")
        kc.said("configmap/applied configured", "apply", "-f", "-", text=changed)
        check(kc.get("cm", "applied")["data"] == {"a": "1", "c": "3"})
        kc.said("", "diff", "-f", "-", text=changed)
        has(kc("apply", "view-last-applied", "cm", "applied", "-o", "json"), '"c": "3"')
        kc("scale", "deploy", "web", "--replicas=4")
        kc.said("deployment.apps/web configured", "apply", "-f", "-", text=DEPLOYMENT.replace("1.27", "1.28").replace("  replicas: 2\n", ""))
        web = kc.get("deploy", "web")["spec"]
        # The field that the manifest no longer names goes back to its default, as the last applied manifest named it.
        check((web["replicas"], web["template"]["spec"]["containers"][0]["image"]) == (1, "nginx:1.28"), web)
        kc.said("deployment.apps/web configured", "apply", "-f", "-", text=DEPLOYMENT)
        has(kc("apply", "-f", "-", "--dry-run=server", text=DEPLOYMENT.replace("1.27", "1.29")), "deployment.apps/web configured (server dry run)")
        check(kc.path("{.spec.template.spec.containers[0].image}", "deploy", "web") == "nginx:1.27")

    @step("apply on the server's side, conflicts, --force-conflicts")
    def _():
        text = CONFIG.replace("settings", "owned")
        kc.said("configmap/owned serverside-applied", "apply", "--server-side", "-f", "-", text=text)
        kc.said("configmap/owned serverside-applied", "apply", "--server-side", "-f", "-", text=text)
        other = text.replace("a: '1'", "a: '9'")
        said = kc.refused("apply", "--server-side", "--field-manager=other", "-f", "-", text=other)
        has(said, 'Apply failed with 1 conflict: conflict with "kubectl"', ".data.a")
        kc("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", text=other)
        managers = {one["manager"]: one for one in json.loads(kc("get", "cm", "owned", "-o", "json", "--show-managed-fields"))["metadata"]["managedFields"]}
        check("f:a" in managers["other"]["fieldsV1"]["f:data"] and "f:a" not in managers["kubectl"]["fieldsV1"]["f:data"], managers)
        out, _ = kc.split("diff", "--server-side", "--force-conflicts", "-f", "-", text=text, status=1)
        has(out, '-  a: "9"', '+  a: "1"')
        # From apply by the client to apply by the server: the field that is no longer named goes.
        kc("apply", "-f", "-", text=CONFIG.replace("settings", "moved"))
        kc("apply", "--server-side", "-f", "-", text="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: moved}\ndata: {a: '1'}\n")
        check(kc.get("cm", "moved")["data"] == {"a": "1"}, kc.get("cm", "moved"))

    @step("edit")
    def _():
        editor = file("editor.sh", "#!/bin/sh\nsed -i 's/a: \"1\"/a: \"edited\"/' \"$1\"\n", 0o755)
        kc.said("configmap/settings edited", "edit", "cm", "settings", EDITOR=editor)
        check(kc.get("cm", "settings")["data"]["a"] == "edited")
        none = file("none.sh", "#!/bin/sh\nexit 0\n", 0o755)
        has("".join(kc.split("edit", "cm", "settings", EDITOR=none)), "Edit cancelled, no changes made.")
        broken = file("broken.sh", f"#!/bin/sh\ncp \"$1\" {kc.home}/edited\nsed -i 's/replicas: 2/replicas: -2/' \"$1\"\n", 0o755)
        has(kc.refused("edit", "deploy", "web", EDITOR=broken), 'deployments.apps "web" is invalid')
        # The editor is opened again, with what was wrong on top.
        with open(os.path.join(kc.home, "edited")) as again:
            has(again.read(), "# deployments.apps \"web\" was not valid:", "spec.replicas: Invalid value: -2: must be greater than or equal to 0")

    @step("label, annotate")
    def _():
        kc.said("configmap/settings labeled", "label", "cm", "settings", "tier=one")
        has(kc.refused("label", "cm", "settings", "tier=two"), "'tier' already has a value (one), and --overwrite is false")
        kc.said("configmap/settings labeled", "label", "cm", "settings", "tier=two", "--overwrite")
        kc.said("configmap/settings unlabeled", "label", "cm", "settings", "tier-")
        kc.said("configmap/settings annotated", "annotate", "cm", "settings", "note=x y")
        kc.said("x y", "get", "cm", "settings", "-o", "jsonpath={.metadata.annotations.note}")
        kc.said("configmap/settings annotated", "annotate", "cm", "settings", "note-")
        has(kc.refused("label", "cm", "settings", "bad key=1"), "bad key")

    @step("set image, env, resources, serviceaccount, selector, subject")
    def _():
        kc.said("deployment.apps/web image updated", "set", "image", "deploy/web", "web=nginx:1.28")
        kc.said("deployment.apps/web env updated", "set", "env", "deploy/web", "LEVEL=debug")
        kc.said("deployment.apps/web env updated", "set", "env", "deploy/web", "--from=configmap/settings", "--prefix=S_")
        kc.said("deployment.apps/web resource requirements updated", "set", "resources", "deploy/web", "--limits=cpu=200m,memory=64Mi", "--requests=cpu=0.1")
        kc.said("deployment.apps/web serviceaccount updated", "set", "serviceaccount", "deploy", "web", "robot")
        kc.said("service/inner selector updated", "set", "selector", "svc", "inner", "app=web")
        kc.said("rolebinding.rbac.authorization.k8s.io/readers subjects updated", "set", "subject", "rolebinding", "readers", "--user=jane")
        spec = kc.get("deploy", "web")["spec"]["template"]["spec"]
        web = spec["containers"][0]
        check(web["image"] == "nginx:1.28" and spec["serviceAccountName"] == "robot", spec)
        check(web["resources"] == {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m"}}, web["resources"])
        check({one["name"]: one.get("value") for one in web["env"]} == {"LEVEL": "debug", "S_A": None, "S_B": None}, web["env"])
        kc.said("deployment.apps/web env updated", "set", "env", "deploy/web", "LEVEL-")
        kc.said("LEVEL=info", "set", "env", "deploy/web", "LEVEL=info", "--dry-run=client", "-o", "jsonpath={.spec.template.spec.containers[0].env[2].name}={.spec.template.spec.containers[0].env[2].value}")

    @step("patch in its three types, and of a subresource")
    def _():
        kc.said("deployment.apps/web patched", "patch", "deploy", "web", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}')
        kc.said("web side", "get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[1].name} {.spec.template.spec.containers[0].name}")
        kc.said("deployment.apps/web patched", "patch", "deploy", "web", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}')
        kc.said("configmap/settings patched", "patch", "cm", "settings", "--type=merge", "-p", '{"data":{"a":null,"z":"26"}}')
        check(kc.get("cm", "settings")["data"] == {"b": "2", "z": "26"})
        kc.said("configmap/settings patched", "patch", "cm", "settings", "--type=json", "-p", '[{"op":"test","path":"/data/b","value":"2"},{"op":"replace","path":"/data/b","value":"3"}]')
        kc.said("configmap/settings patched (no change)", "patch", "cm", "settings", "--type=merge", "-p", '{"data":{"b":"3"}}')
        has(kc.refused("patch", "cm", "settings", "--type=json", "-p", '[{"op":"test","path":"/data/b","value":"9"}]'), "the server rejected our request due to an error in our request")
        kc.said("scale.autoscaling/web patched", "patch", "deploy", "web", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":3}}')
        check(kc.get("deploy", "web")["spec"]["replicas"] == 3)

    @step("scale, autoscale")
    def _():
        kc.said("deployment.apps/web scaled", "scale", "deploy/web", "--replicas=2", "--current-replicas=3")
        has(kc.refused("scale", "deploy/web", "--replicas=2", "--current-replicas=9"), "Expected replicas to be 9, was 2")
        kc.said("horizontalpodautoscaler.autoscaling/web autoscaled", "autoscale", "deploy", "web", "--min=1", "--max=5", *(["--cpu-percent=80"] if kc.release == "30" else ["--cpu=80%"]))
        check(columns(kc("get", "hpa", "web"))[1][:2] == ["web", "Deployment/web"])
        kc("delete", "hpa", "web")

    @step("rollout: status, history, undo, restart, pause, resume")
    def _():
        with kc.running():
            has(kc("rollout", "status", "deploy/web", "--timeout=30s"), 'deployment "web" successfully rolled out')
            kc("set", "image", "deploy/web", "web=nginx:1.29")
            kc("annotate", "deploy/web", "kubernetes.io/change-cause=to 1.29", "--overwrite")
            has(kc("rollout", "status", "deploy/web", "--timeout=30s"), "successfully rolled out")
            until(10, lambda: "to 1.29" in kc("rollout", "history", "deploy/web"), "the cause in the history")
            history = columns(kc("rollout", "history", "deploy/web"))
            check(history[1][0] == "REVISION" and len(history) >= 4, history)
            latest, before = int(history[-1][0]), int(history[-2][0])
            has(kc("rollout", "history", "deploy/web", f"--revision={latest}"), f"deployment.apps/web with revision #{latest}", "nginx:1.29")
            kc.said("deployment.apps/web rolled back", "rollout", "undo", "deploy/web")
            has(kc("rollout", "status", "deploy/web", "--timeout=30s"), "successfully rolled out")
            kc.said("nginx:1.28", "get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
            check(str(before) not in [row[0] for row in columns(kc("rollout", "history", "deploy/web"))[2:]])
            kc.said("deployment.apps/web rolled back", "rollout", "undo", "deploy/web", f"--to-revision={latest}")
            kc.said("deployment.apps/web restarted", "rollout", "restart", "deploy/web")
            has(kc("get", "deploy", "web", "-o", "jsonpath={.spec.template.metadata.annotations}"), "kubectl.kubernetes.io/restartedAt")
            kc.said("deployment.apps/web paused", "rollout", "pause", "deploy/web")
            has(kc.refused("rollout", "undo", "deploy/web"), "paused")
            kc.said("deployment.apps/web resumed", "rollout", "resume", "deploy/web")
            has(kc("rollout", "status", "deploy/web", "--timeout=30s"), "successfully rolled out")

    @step("expose")
    def _():
        kc.said("service/web exposed", "expose", "deploy", "web", "--port=80", "--target-port=http")
        spec = kc.get("svc", "web")["spec"]
        check(spec["selector"] == {"app": "web"} and spec["clusterIP"].startswith("10.43."), spec)
        until(5, lambda: kc.path("{.subsets[*].addresses[*].ip}", "endpoints", "web").split(), "endpoints of the service")

    @step("create token, auth can-i, auth whoami, impersonation")
    def _():
        token = kc("create", "token", "robot", "--duration=15m", "--audience=https://kubernetes.default.svc.cluster.local").strip()
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        check(claims["sub"] == f"system:serviceaccount:{kc.name}:robot" and claims["exp"] - claims["iat"] == 900, claims)
        who = json.loads(kc("auth", "whoami", "-o", "json"))
        check(who["status"]["userInfo"]["username"] and "system:authenticated" in who["status"]["userInfo"]["groups"], who)
        kc.said("yes", "auth", "can-i", "delete", "pods")
        kc.said("yes", "auth", "can-i", "list", "pods", "--as=jane")
        out, _ = kc.split("auth", "can-i", "delete", "pods", "--as=jane", status=1)
        check(out == "no\n", out)
        has(kc("auth", "can-i", "--list", "--as=jane"), "configmaps", "[get list]")
        has(kc.refused("delete", "cm", "settings", "--as=jane"),
            f'Error from server (Forbidden): configmaps "settings" is forbidden: User "jane" cannot delete resource "configmaps" in API group "" in the namespace "{kc.name}"')
        check(kc.get("cm", "settings", "--as=jane")["metadata"]["name"] == "settings")
        has("".join(kc.split("auth", "reconcile", "-f", "-", text=f"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: reader, namespace: {kc.name}}}\n"
               "rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]\n")), "reconciled")
        kc.said("yes", "auth", "can-i", "get", "secrets", "--as=jane")

    @step("explain")
    def _():
        has(kc("explain", "deployment.spec.strategy"), "FIELD: strategy <DeploymentStrategy>", "rollingUpdate", "enum: Recreate, RollingUpdate")
        has(kc("explain", "pods", "--recursive"), "livenessProbe", "hostPath")
        has(kc("explain", "hpa", "--api-version=autoscaling/v2"), "VERSION:    v2")
        has(kc.refused("explain", "pod.spec.nothing"), 'field "nothing" does not exist')

    @step("describe of the common kinds")
    def _():
        kc("apply", "-f", "-", text=STORAGE.replace("NAME", kc.name))
        for kind, pieces in {
            "deployment web": ("StrategyType:           RollingUpdate", "NewReplicaSet:", "Image:", "ScalingReplicaSet"),
            "pods -l app=web": ("Controlled By:  ReplicaSet/web-", "Service Account:  robot", "Conditions:", "Limits:"),
            "rs -l app=web": ("Controlled By:  Deployment/web", "Pods Status:"),
            "svc web": ("app=web", "http/TCP", "10.43."),
            "cm settings": ("Data\n====",), "secret pass": ("p:  7 bytes",), "sa robot": ("Name:                robot",),
            "job once": ("Parallelism:", "Pod Template:"), "cronjob nightly": ("Schedule:                      0 3 * * *",),
            "ingress way": ("a.example", "inner:80"), "role reader": ("PolicyRule:",), "rolebinding readers": ("ServiceAccount  robot",),
            "pdb budget": ("Min available:  1",), "quota quota": ("configmaps",), f"ns {kc.name}": ("Status:       Active", "quota"),
            f"priorityclass {kc.name}": ("Value:",), f"clusterrole {kc.name}": ("nodes",), "pvc data": ("Access Modes:", "Capacity:"),
            "limitrange limits": ("Container", "cpu"), "networkpolicy closed": ("PodSelector:",), "endpointslices -l kubernetes.io/service-name=web": ("AddressType:", "Endpoints:"),
            "endpoints web": ("Subsets:",), "storageclass " + kc.name: ("Provisioner:           made.example/up",),
        }.items():
            has(kc("describe", *kind.split()), *pieces)

    @step("events")
    def _():
        has(kc("events", "--for", "deployment/web"), "ScalingReplicaSet")
        has(kc("get", "events", "--field-selector", "involvedObject.kind=Deployment,reason=ScalingReplicaSet"), "Scaled up replica set")

    @step("a made-up node: taint, label, cordon, drain")
    def _():
        node = "edge-" + kc.name
        kc("create", "-f", "-", text=f"apiVersion: v1\nkind: Node\nmetadata: {{name: {node}}}\n")
        kc.said(f"node/{node} tainted", "taint", "node", node, "line=one:NoSchedule")
        has(kc("describe", "node", node), "Taints:             line=one:NoSchedule")
        kc.said(f"node/{node} untainted", "taint", "node", node, "line-")
        kc.said(f"node/{node} cordoned", "cordon", node)
        check(columns(kc("get", "node", node))[1][1] in ("Unknown,SchedulingDisabled", "NotReady,SchedulingDisabled"), kc("get", "node", node))
        kc.said(f"node/{node} uncordoned", "uncordon", node)
        kc("create", "-f", "-", text=f"apiVersion: v1\nkind: Pod\nmetadata: {{name: here}}\nspec: {{nodeName: {node}, terminationGracePeriodSeconds: 0, containers: [{{name: c, image: i}}]}}\n")
        has("".join(kc.split("drain", node, "--force", "--ignore-daemonsets", "--timeout=20s")), f"node/{node} drained")
        kc.said("", "get", "pod", "here", "--ignore-not-found")
        kc.said(f'node "{node}" deleted', "delete", "node", node)

    @step("kustomize, apply -k, delete -k")
    def _():
        folder = os.path.join(kc.home, "kustom")
        os.makedirs(folder, exist_ok=True)
        file("kustom/base.yaml", DEPLOYMENT.replace("name: web", "name: kweb", 1))
        file("kustom/kustomization.yaml", f"namespace: {kc.name}\nnamePrefix: x-\nresources: [base.yaml]\nimages: [{{name: nginx, newTag: '9'}}]\n"
             "configMapGenerator: [{name: gen, literals: [a=b]}]\n")
        has(kc("kustomize", folder), "name: x-kweb", "image: nginx:9")
        out = kc("apply", "-k", folder)
        has(out, "deployment.apps/x-kweb created", "configmap/x-gen-")
        has(kc("diff", "-k", folder) + "same", "same")
        has(kc("delete", "-k", folder), 'deployment.apps "x-kweb" deleted')

    @step("apply --prune")
    def _():
        def lists(*names):
            return "---\n".join(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{set: p}}}}\ndata: {{a: b}}\n" for name in names)
        kc("apply", "-f", "-", "-l", "set=p", text=lists("p1", "p2"))
        out = kc("apply", "-f", "-", "-l", "set=p", "--prune", "--prune-allowlist=core/v1/ConfigMap", text=lists("p1"))
        has(out, "configmap/p1 unchanged", "configmap/p2 pruned")
        check(kc("get", "cm", "-l", "set=p", "-o", "name").split() == ["configmap/p1"])

    @step("apply --prune with an apply set")
    def _():
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: b}\n"
        allow = {"KUBECTL_APPLYSET": "true"}
        words = ("apply", "-f", "-", "--prune", "--applyset=mine")
        kc(*words, text=text % "s1" + "---\n" + text % "s2", **allow)
        has(kc(*words, text=text % "s1", **allow), "configmap/s2 pruned")
        check(kc.path("{.metadata.labels}", "cm", "s1").startswith('{"applyset.kubernetes.io/part-of":"applyset-'))

    @step("replace, replace --force")
    def _():
        shown = kc("get", "cm", "settings", "-o", "json")
        kc.said("configmap/settings replaced", "replace", "-f", "-", text=shown.replace('"26"', '"27"'))
        stale = kc.refused("replace", "-f", "-", text=shown.replace('"26"', '"28"'))
        has(stale, "Error from server (Conflict)", "the object has been modified; please apply your changes to the latest version and try again")
        before = kc.path("{.metadata.uid}", "cm", "settings")
        has(kc("replace", "--force", "-f", "-", text=CONFIG), "configmap/settings replaced")
        check(kc.path("{.metadata.uid}", "cm", "settings") != before)

    @step("certificate approve and deny")
    def _():
        if os.system("command -v openssl >/dev/null") != 0:
            return "no openssl here"
        key = os.path.join(kc.home, "key.pem")
        os.system(f"openssl req -new -newkey rsa:2048 -nodes -keyout {key} -subj /O=line/CN=operator -out {key}.csr 2>/dev/null")
        with open(key + ".csr", "rb") as request:
            body = base64.b64encode(request.read()).decode()
        for name, verb in (("ok-" + kc.name, "approve"), ("no-" + kc.name, "deny")):
            kc("create", "-f", "-", text=f"apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: {name}}}\n"
               f"spec: {{request: {body}, signerName: kubernetes.io/kube-apiserver-client, usages: [client auth]}}\n")
            kc.said(f"certificatesigningrequest.certificates.k8s.io/{name} {'approved' if verb == 'approve' else 'denied'}", "certificate", verb, name)
            check(verb == "approve" and columns(kc("get", "csr", name))[1][-1].startswith("Approved") or columns(kc("get", "csr", name))[1][-1] == "Denied", kc("get", "csr", name))

    @step("top says that there are no measurements")
    def _():
        has(kc.refused("top", "pods"), "error: ")

    @step("delete in its forms")
    def _():
        kc.said(f'configmap "made" deleted' + here(kc), "delete", "cm", "made")
        has(kc.refused("delete", "cm", "made"), 'Error from server (NotFound): configmaps "made" not found')
        kc.said("", "delete", "cm", "made", "--ignore-not-found")
        kc.said('configmap "settings" deleted (server dry run)' if kc.release == "30" else f'configmap "settings" deleted{here(kc)} (server dry run)', "delete", "cm", "settings", "--dry-run=server")
        has(kc("delete", "-f", "-", text=CONFIG), 'configmap "settings" deleted')
        kc.said("deployment.apps/web", "delete", "deploy", "web", "--cascade=orphan", "-o", "name")
        orphans = kc.get("rs", "-l", "app=web")["items"]
        check(orphans and not any(one["metadata"].get("ownerReferences") for one in orphans), orphans)
        kc("delete", "rs", "-l", "app=web", "--cascade=foreground")
        check(kc("get", "pods", "-l", "app=web", "-o", "name") == "")
        kc("delete", "deploy", "made")
        until(10, lambda: kc("get", "rs,pods", "-l", "app=made", "-o", "name") == "", "the deployment's pods are gone")
        kc("delete", "secret", "--all")
        kc("delete", "jobs,cronjobs", "--all", "--wait=false")
        kc("delete", "cm", "applied", "owned", "moved", "--now")
        kc("delete", "clusterrole,clusterrolebinding,priorityclass,storageclass", kc.name)
        kc("delete", "pv", kc.name, "--ignore-not-found", "--wait=false")
        kc.said(f'namespace "{kc.name}" deleted', "delete", "ns", kc.name, "--timeout=20s")
        kc.said("", "get", "ns", kc.name, "--ignore-not-found")


def here(kc):
    """Newer releases name the namespace of what they deleted."""
    return "" if kc.release == "30" else f" from {kc.name} namespace"


STORAGE = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: NAME}
provisioner: made.example/up
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: '', resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: [{type: Container, default: {cpu: 500m}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {}, policyTypes: [Ingress]}
"""
