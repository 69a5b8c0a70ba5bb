"""Whether a pod may run on the node. Those that fill the node run alone."""
from bed import check, condition, has_ended, idle, test


def unscheduled(bed, name, words, seconds=15):
    pod = bed.wait(name, lambda pod: condition(pod, "PodScheduled") == "False", "not scheduled", seconds)
    told = [one for one in pod["status"]["conditions"] if one["type"] == "PodScheduled"][0]
    check(pod["status"]["phase"] == "Pending" and told["reason"] == "Unschedulable" and words in told["message"] and told["message"].startswith("0/1 nodes are available: "), told)
    bed.until(lambda: [one for one in bed.events(name) if one["reason"] == "FailedScheduling" and words in one["message"]], "an event FailedScheduling", 10)


def label(bed, **labels):
    name = bed.node()["metadata"]["name"]
    bed.ask("PATCH", f"/api/v1/nodes/{name}", {"metadata": {"labels": labels}}, kind="application/merge-patch+json")


@test(alone=True)
def resources_are_counted(bed):
    """The node is filled to a rest; what asks for more than the rest waits, and comes when there is room."""
    node = bed.node()["status"]["allocatable"]
    millis = int(node["cpu"][:-1]) if node["cpu"].endswith("m") else 1000 * int(node["cpu"])
    bed.pod("fills", idle(resources={"requests": {"cpu": f"{millis * 7 // 10}m"}}))
    bed.ready("fills")
    bed.pod("waits", idle(resources={"requests": {"cpu": f"{millis // 2}m"}}))
    unscheduled(bed, "waits", "1 Insufficient cpu")
    bed.delete("pods", "fills")
    bed.ready("waits", 30)


@test()
def a_selector_that_matches(bed):
    label(bed, **{"k2d.test/colour": "42"})
    bed.pod("matches", idle(), nodeSelector={"k2d.test/colour": "42"})
    bed.ready("matches")
    label(bed, **{"k2d.test/colour": None})
    check(not has_ended(bed.get("pods", "matches")), "a label that goes ends nothing")


@test()
def a_selector_that_does_not(bed):
    bed.pod("differs", idle(), nodeSelector={"k2d.test/label": "nonempty"})
    unscheduled(bed, "differs", "1 node(s) didn't match Pod's node affinity/selector")
    label(bed, **{"k2d.test/label": "nonempty"})
    bed.ready("differs", 20)
    label(bed, **{"k2d.test/label": None})


@test()
def affinity(bed):
    term = {"matchExpressions": [{"key": "k2d.test/none", "operator": "Exists"}]}
    bed.pod("differs", idle(), affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}})
    unscheduled(bed, "differs", "1 node(s) didn't match Pod's node affinity/selector")
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {"matchLabels": {"app": "one"}}, "topologyKey": "kubernetes.io/hostname"}]}}
    bed.pod("one", idle(), labels={"app": "one"}, affinity=apart)
    bed.ready("one")
    bed.pod("two", idle(), labels={"app": "one"}, affinity=apart)
    unscheduled(bed, "two", "1 node(s) didn't match pod anti-affinity rules")


@test()
def host_ports_clash(bed):
    def wants(**port):
        return idle(ports=[{"containerPort": 8080, "hostPort": 24322, **port}])
    bed.pod("one", wants(hostIP="127.0.0.1"))
    bed.ready("one")
    bed.pod("udp", wants(protocol="UDP"))
    bed.ready("udp")
    bed.pod("all", wants())
    unscheduled(bed, "all", "1 node(s) didn't have free ports for the requested pod ports")
    bed.delete("pods", "one")
    bed.ready("all", 30)


@test(alone=True)
def taints(bed):
    name = bed.node()["metadata"]["name"]
    taint = {"key": "k2d.test/key", "value": "v", "effect": "NoSchedule"}
    bed.pod("before", idle())
    bed.ready("before")
    bed.ask("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": [taint]}}, kind="application/merge-patch+json")
    try:
        bed.pod("refused", idle())
        unscheduled(bed, "refused", "untolerated taint")
        bed.pod("tolerates", idle(), tolerations=[{"key": "k2d.test/key", "operator": "Exists"}])
        bed.ready("tolerates")
        check(not has_ended(bed.get("pods", "before")), "what ran before goes on")
    finally:
        bed.ask("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}}, kind="application/merge-patch+json")
    bed.ready("refused", 20)


@test(alone=True)
def cordon(bed):
    name = bed.node()["metadata"]["name"]
    bed.k2d.kubectl("cordon", name)
    try:
        bed.pod("waits", idle())
        unscheduled(bed, "waits", "1 node(s) were unschedulable")
    finally:
        bed.k2d.kubectl("uncordon", name)
    bed.ready("waits", 20)


@test()
def gates(bed):
    bed.pod("gated", idle(), schedulingGates=[{"name": "k2d.test/gate"}])
    pod = bed.wait("gated", lambda pod: condition(pod, "PodScheduled") == "False", "gated", 10)
    check([one["reason"] for one in pod["status"]["conditions"] if one["type"] == "PodScheduled"] == ["SchedulingGated"], pod["status"])
    bed.patch("pods", "gated", {"spec": {"schedulingGates": []}})
    bed.ready("gated", 20)


@test()
def by_name(bed):
    bed.pod("named", idle(), nodeName=bed.node()["metadata"]["name"])
    bed.ready("named")
    bed.pod("elsewhere", idle(), nodeName="another-node")
    bed.wait("elsewhere", lambda pod: pod["status"]["phase"] == "Pending", "Pending", 5)
    check(not bed.is_there("elsewhere"), "a container of another node")


@test(alone=True)
def preemption(bed):
    node = bed.node()["status"]["allocatable"]
    millis = int(node["cpu"][:-1]) if node["cpu"].endswith("m") else 1000 * int(node["cpu"])
    bed.ask("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "k2d-test-high"}, "value": 1000}, expect=(201, 409))
    bed.pod("low", idle(resources={"requests": {"cpu": f"{millis * 7 // 10}m"}}))
    bed.ready("low")
    bed.pod("high", idle(resources={"requests": {"cpu": f"{millis // 2}m"}}), priorityClassName="k2d-test-high")
    bed.ready("high", 40)
    bed.gone("low", 15)


@test()
def eviction_respects_budgets(bed):
    bed.pod("guarded", idle(), labels={"app": "guarded"})
    bed.ready("guarded")
    bed.ask("POST", f"/apis/policy/v1/namespaces/{bed.namespace}/poddisruptionbudgets", {"metadata": {"name": "guards"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}})
    evict = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "guarded"}}
    answer = bed.ask("POST", bed.path("pods", "guarded", "eviction"), evict, expect=429)
    check("disruption budget" in answer["message"], answer)
    bed.ask("PATCH", f"/apis/policy/v1/namespaces/{bed.namespace}/poddisruptionbudgets/guards", {"spec": {"minAvailable": 0}}, kind="application/merge-patch+json")
    bed.until(lambda: bed.api.ask("POST", bed.path("pods", "guarded", "eviction"), evict)[0] == 201, "evicted", 20)
    bed.gone("guarded", 20)
