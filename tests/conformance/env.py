"""Variables: from ConfigMaps, Secrets, fields and resources, composed, and those of services."""
from bed import check, idle, several, shell, test

SOURCES = {
    "configmap": ("configmaps", "configMapKeyRef", "configMapRef", {"data": {"data-1": "value-1", "two": "value-2"}}),
    "secret": ("secrets", "secretKeyRef", "secretRef", {"stringData": {"data-1": "value-1", "two": "value-2"}}),
}


def field(path):
    return {"fieldRef": {"fieldPath": path}}


def resource(name, **more):
    return {"resourceFieldRef": {"resource": name, **more}}


def var(name, source):
    return {"name": name, "valueFrom": source} if isinstance(source, dict) else {"name": name, "value": source}


@several(SOURCES)
def key(bed, source):
    plural, ref, _, content = source
    bed.make(plural, "words", **content)
    env = [var("ONE", {ref: {"name": "words", "key": "data-1"}}), var("NONE", {ref: {"name": "none", "key": "x", "optional": True}}),
           var("NO_KEY", {ref: {"name": "words", "key": "x", "optional": True}})]
    text = bed.output("reads", shell('echo "[$ONE]"; env | grep -c "^NO" || true', env=env))
    check(text == "[value-1]\n0\n", text)
    bed.pod("lacks", shell("echo started", env=[var("ONE", {ref: {"name": "later", "key": "data-1"}})]), restartPolicy="Never")
    bed.waits("lacks", "CreateContainerConfigError")
    bed.make(plural, "later", **content)
    bed.ended("lacks", seconds=20)


@several(SOURCES)
def whole(bed, source):
    plural, _, ref, content = source
    bed.make(plural, "words", **content)
    source = [{ref: {"name": "words"}}, {"prefix": "p-", ref: {"name": "words"}}, {ref: {"name": "none", "optional": True}}]
    text = bed.output("reads", {**shell(""), "command": ["env"], "envFrom": source, "env": [var("two", "mine")]})
    lines = set(text.splitlines())
    check({"data-1=value-1", "two=mine", "p-data-1=value-1", "p-two=value-2"} <= lines, text)


@test()
def composed(bed):
    env = [var("FOO", "foo-value"), var("BAR", "bar-value"), var("FOOBAR", "$(FOO);;$(BAR)"), var("LATER", "$(AFTER)"), var("AFTER", "x"),
           var("ESCAPED", "$$(FOO)")]
    text = bed.output("reads", shell('echo "$FOOBAR|$LATER|$ESCAPED"', env=env))
    check(text == "foo-value;;bar-value|$(AFTER)|$(FOO)\n", text)


@test()
def in_command(bed):
    env = [var("WORD", "test-value")]
    container = {"name": "main", "image": "busybox:1.37", "command": ["sh", "-c", 'echo "in command: $(WORD) $$(WORD)" "$@"'], "env": env}
    text = bed.output("reads", container)
    # The shell itself runs $(WORD), which is no command: only that it is not the value counts.
    check("in command: test-value" in text and text.count("test-value") == 1, text)


@test()
def in_arguments(bed):
    container = {"name": "main", "image": "busybox:1.37", "command": ["sh", "-c"], "args": ["echo '$(WORD) $(NONE) $$(WORD)'"], "env": [var("WORD", "test-value")]}
    text = bed.output("reads", container)
    check(text == "test-value $(NONE) $(WORD)\n", text)


@test()
def fields(bed):
    env = [var(name, field(path)) for name, path in {
        "NAME": "metadata.name", "NAMESPACE": "metadata.namespace", "POD_UID": "metadata.uid", "IP": "status.podIP", "IPS": "status.podIPs",
        "HOST_IP": "status.hostIP", "HOST_IPS": "status.hostIPs", "NODE": "spec.nodeName", "ACCOUNT": "spec.serviceAccountName",
        "LABEL": "metadata.labels['colour']", "NOTE": "metadata.annotations['note']"}.items()]
    bed.pod("tells", shell("env; sleep 100", env=env), labels={"colour": "red"}, annotations={"note": "high"})
    pod = bed.ready("tells")
    given = dict(line.split("=", 1) for line in bed.log("tells").splitlines() if "=" in line)
    status = pod["status"]
    wanted = {"NAME": "tells", "NAMESPACE": bed.namespace, "POD_UID": pod["metadata"]["uid"], "IP": status["podIP"], "IPS": status["podIPs"][0]["ip"],
              "HOST_IP": status["hostIP"], "HOST_IPS": ",".join(one["ip"] for one in status["hostIPs"]), "NODE": pod["spec"]["nodeName"], "ACCOUNT": "default",
              "LABEL": "red", "NOTE": "high"}
    check({name: given.get(name) for name in wanted} == wanted, given, wanted)
    check(status["hostIP"] == status["hostIPs"][0]["ip"] and status["podIP"] == status["podIPs"][0]["ip"], status)


@test()
def resources(bed):
    env = [var("CPU", resource("limits.cpu")), var("CPU_M", resource("limits.cpu", divisor="1m")), var("MEMORY", resource("limits.memory")),
           var("CPU_R", resource("requests.cpu", divisor="1m")), var("MEMORY_R", resource("requests.memory", divisor="1Mi")),
           var("OTHER", resource("limits.memory", containerName="other", divisor="1Ki"))]
    given = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}
    text = bed.output("tells", shell('echo "$CPU $CPU_M $MEMORY $CPU_R $MEMORY_R $OTHER"', env=env, resources=given),
                      shell("true", name="other", resources={"limits": {"memory": "16Mi"}}), container="main")
    check(text == "2 1250 67108864 250 32 16384\n", text)


@test()
def resources_of_the_node(bed):
    env = [var("CPU", resource("limits.cpu")), var("MEMORY", resource("limits.memory"))]
    text = bed.output("tells", shell('echo "$CPU $MEMORY"', env=env))
    allocatable = bed.node()["status"]["allocatable"]
    cpu = allocatable["cpu"]
    cpu = -(-int(cpu[:-1]) // 1000) if cpu.endswith("m") else int(cpu)
    memory = allocatable["memory"]
    memory = int(memory[:-2]) * 1024 if memory.endswith("Ki") else int(memory)
    check(text == f"{cpu} {memory}\n", text, allocatable)


@test()
def services(bed):
    ports = [{"name": "web", "port": 8765, "targetPort": 8080}, {"name": "extra", "port": 9, "protocol": "UDP"}]
    service = bed.make("services", "fooservice", spec={"ports": ports, "selector": {"app": "none"}})
    address = service["spec"]["clusterIP"]
    text = bed.output("reads", shell("env"))
    wanted = {f"FOOSERVICE_SERVICE_HOST={address}", "FOOSERVICE_SERVICE_PORT=8765", "FOOSERVICE_SERVICE_PORT_WEB=8765", f"FOOSERVICE_PORT=tcp://{address}:8765",
              f"FOOSERVICE_PORT_8765_TCP=tcp://{address}:8765", "FOOSERVICE_PORT_8765_TCP_PROTO=tcp", "FOOSERVICE_PORT_8765_TCP_PORT=8765",
              f"FOOSERVICE_PORT_8765_TCP_ADDR={address}", f"FOOSERVICE_PORT_9_UDP=udp://{address}:9"}
    check(wanted <= set(text.splitlines()), wanted - set(text.splitlines()), text)
    text = bed.output("without", shell("env"), enableServiceLinks=False)
    check("FOOSERVICE" not in text and "KUBERNETES_SERVICE_HOST=" in text, text)


@several({"configmap": "configmaps", "secret": "secrets"})
def empty_key(bed, plural):
    answer = bed.make(plural, "empty", data={"": "dGVzdA=="}, expect=422)
    check(answer["reason"] == "Invalid" and answer["details"]["causes"][0]["field"] == "data[]", answer)


@several({"configmap": "configmaps", "secret": "secrets"})
def objects(bed, plural):
    """A list over all namespaces, an update, a patch, a watch and a delete by selector of what pods are given."""
    bed.make(plural, "one", labels={"test": bed.namespace}, data={"key": "dmFsdWU="})
    selector = f"labelSelector=test%3D{bed.namespace}"
    found = bed.ask("GET", f"/api/v1/{plural}?{selector}")["items"]
    check([one["metadata"]["name"] for one in found] == ["one"], found)
    events = bed.api.watch(f"{bed.path(plural)}?watch=1&{selector}&resourceVersion={found[0]['metadata']['resourceVersion']}", 10)
    bed.patch(plural, "one", {"metadata": {"labels": {"patched": "yes"}}, "data": {"key": "bmV3"}})
    changed = next(events)
    check(changed["type"] == "MODIFIED" and changed["object"]["data"] == {"key": "bmV3"} and changed["object"]["metadata"]["labels"]["patched"] == "yes", changed)
    whole = bed.get(plural, "one")
    whole["data"] = {"other": "bmV3"}
    check(bed.ask("PUT", bed.path(plural, "one"), whole)["data"] == {"other": "bmV3"}, "the update")
    bed.ask("DELETE", f"{bed.path(plural)}?{selector}")
    check([next(events)["type"], next(events)["type"]] == ["MODIFIED", "DELETED"], "the events of update and delete")
    check(bed.ask("GET", f"/api/v1/{plural}?{selector}")["items"] == [], "it is gone")


@test()
def nothing_of_a_secret_in_labels(bed):
    bed.make("secrets", "quiet", stringData={"word": "never-in-a-label"})
    bed.pod("holds", idle(env=[var("WORD", {"secretKeyRef": {"name": "quiet", "key": "word"}})]))
    bed.ready("holds")
    check("never-in-a-label" not in str(bed.inspect("holds")["Config"]["Labels"]), "in a label")
