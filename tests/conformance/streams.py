"""Ways into a container: WebSockets for commands and logs, containers added for looking around."""
import json
import urllib.parse

from bed import BUSYBOX, WebSocket, check, idle, shell, status_of, test


@test()
def exec_over_a_websocket(bed):
    bed.pod("runs", idle())
    bed.ready("runs")
    check(bed.run("runs", "cat", "/etc/passwd")[1].startswith("root:"), "what it prints")
    check(bed.run("runs", "sh", "-c", "exit 5") == (5, ""), "its exit status")
    query = urllib.parse.urlencode([("command", "sh"), ("command", "-c"), ("command", "echo out; echo err >&2"), ("stdout", 1), ("stderr", 1)])
    stream = WebSocket(bed.k2d, f"{bed.path('pods', 'runs', 'exec')}?{query}", "v4.channel.k8s.io")
    check(stream.protocol == "v4.channel.k8s.io", stream.protocol)
    got = {}
    for payload in stream:
        got[payload[0]] = got.get(payload[0], b"") + payload[1:]
    stream.close()
    check(got[1] == b"out\n" and got[2] == b"err\n" and json.loads(got[3])["status"] == "Success", got)


@test()
def stdin_over_a_websocket(bed):
    bed.pod("runs", idle())
    bed.ready("runs")
    query = urllib.parse.urlencode([("command", "cat"), ("stdin", 1), ("stdout", 1)])
    stream = WebSocket(bed.k2d, f"{bed.path('pods', 'runs', 'exec')}?{query}", "v5.channel.k8s.io")
    stream.send(b"\0words ")
    stream.send(b"\0more")
    stream.send(b"\xff\0")
    text = b"".join(payload[1:] for payload in stream if payload[0] == 1)
    stream.close()
    check(text == b"words more", text)


@test()
def logs_over_a_websocket(bed):
    bed.pod("speaks", shell("echo container is alive; sleep 1000"))
    bed.ready("speaks")
    bed.until(lambda: bed.log("speaks"), "a log")
    stream = WebSocket(bed.k2d, f"{bed.path('pods', 'speaks', 'log')}?container=main", "binary.k8s.io")
    text = b"".join(stream)
    stream.close()
    check(text == b"container is alive\n", text)


def add(bed, pod, **container):
    change = {"spec": {"ephemeralContainers": [{"image": BUSYBOX, **container}]}}
    return bed.ask("PATCH", bed.path("pods", pod, "ephemeralcontainers"), change, kind="application/strategic-merge-patch+json")


@test()
def ephemeral_containers(bed):
    bed.pod("looked-at", idle())
    before = bed.ready("looked-at")
    add(bed, "looked-at", name="debugger", command=["sh", "-c", "echo polo; sleep 1000"])
    bed.wait("looked-at", lambda pod: "running" in status_of(pod, "debugger", "ephemeralContainerStatuses").get("state", {}), "the debugger runs")
    check(bed.run("looked-at", "echo", "marco", container="debugger") == (0, "marco\n"), "exec")
    bed.until(lambda: bed.log("looked-at", "debugger") == "polo\n", "its log")
    address = before["status"]["podIP"]
    check(f"inet {address}/" in bed.sh("looked-at", "ip addr", "debugger"), "it has another network")
    after = bed.get("pods", "looked-at")
    check(status_of(after) == status_of(before), "the main container was touched")


@test()
def ephemeral_containers_are_only_added(bed):
    bed.pod("looked-at", idle())
    bed.ready("looked-at")
    add(bed, "looked-at", name="one", command=["sleep", "1000"], targetContainerName="main")
    whole = bed.get("pods", "looked-at")
    whole["spec"]["ephemeralContainers"].append({"name": "two", "image": BUSYBOX, "command": ["sleep", "1000"], "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent"})
    got = bed.ask("PUT", bed.path("pods", "looked-at", "ephemeralcontainers"), whole)
    check([one["name"] for one in got["spec"]["ephemeralContainers"]] == ["one", "two"] and got["metadata"]["generation"] == 3, got["spec"]["ephemeralContainers"], got["metadata"])
    for name in ("one", "two"):
        bed.wait("looked-at", lambda pod: "running" in status_of(pod, name, "ephemeralContainerStatuses").get("state", {}), f"{name} runs")
    check("sleep 100000" in bed.sh("looked-at", "ps", "one"), "one does not see the processes of its target")
    whole = bed.get("pods", "looked-at")
    del whole["spec"]["ephemeralContainers"][0]
    answer = bed.ask("PUT", bed.path("pods", "looked-at", "ephemeralcontainers"), whole, expect=422)
    check("existing ephemeral containers" in answer["message"] and "may not be removed" in answer["message"], answer)


@test()
def attach_and_cp(bed):
    """kubectl's own ways: attach sees what is printed, cp takes files out and in."""
    bed.pod("talks", shell("while true; do echo tick; sleep 0.2; done"))
    bed.ready("talks")
    name = ("-n", bed.namespace)
    bed.k2d.kubectl(*name, "exec", "talks", "--", "sh", "-c", "seq 1 20000 > /tmp/numbers")
    place = bed.scratch()
    bed.k2d.kubectl(*name, "cp", "talks:/tmp/numbers", f"{place}-numbers")
    bed.k2d.kubectl(*name, "cp", f"{place}-numbers", "talks:/tmp/again")
    check(bed.run("talks", "cmp", "/tmp/numbers", "/tmp/again")[0] == 0, "a copy of a copy")
    query = urllib.parse.urlencode([("stdout", 1), ("stderr", 1)])
    stream = WebSocket(bed.k2d, f"{bed.path('pods', 'talks', 'attach')}?{query}", "v5.channel.k8s.io")
    for payload in stream:
        if b"tick" in payload:
            break
    stream.close()
