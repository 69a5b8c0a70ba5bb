"""Requests and limits, seen from inside the container and by docker; and changed while it runs."""
from bed import check, has_ended, idle, is_ready, mount, several, shell, status_of, test

MI = 1024 * 1024
# The control groups of either version, as a container sees its own.
LIMITS = """
cd /sys/fs/cgroup
if [ -e cgroup.controllers ]; then echo $(cat cpu.max) $(cat memory.max); else echo $(cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes); fi
"""


def given(cpu=None, memory=None, cpu_limit=None, memory_limit=None):
    requests = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    limits = {name: value for name, value in (("cpu", cpu_limit), ("memory", memory_limit)) if value}
    return {"resources": {**({"requests": requests} if requests else {}), **({"limits": limits} if limits else {})}}


def both(cpu, memory):
    return given(cpu, memory, cpu, memory)


def arrives(bed, name, container, millis, memory):
    """The limits are in force inside, soon."""
    def seen():
        quota, period, limit = bed.sh(name, LIMITS, container).split()
        quota = None if quota in ("max", "-1") else round(1000 * int(quota) / int(period))
        limit = None if limit == "max" or int(limit) > 1 << 60 else int(limit)
        return (quota, limit) == (millis, memory)
    bed.until(seen, f"{container} has {millis} m CPU and {memory} bytes", 15)


def resize(bed, name, containers, verb="PATCH", expect=(200,)):
    change = {"spec": {"containers": [{"name": one, **resources} for one, resources in containers.items()]}}
    if verb == "PATCH":
        return bed.ask("PATCH", bed.path("pods", name, "resize"), change, expect, kind="application/strategic-merge-patch+json")
    pod = bed.ask("GET", bed.path("pods", name, "resize"))
    for one in pod["spec"]["containers"]:
        if one["name"] in containers:
            one.update(containers[one["name"]])
    return bed.ask("PUT", bed.path("pods", name, "resize"), pod, expect)


def settled(bed, name, generation):
    """The pod, once its resize is done: nothing was started again, and its status tells what is in force."""
    def done(pod):
        spec = {one["name"]: one.get("resources", {}) for one in pod["spec"]["containers"]}
        told = {one["name"]: one.get("resources", {}) for one in pod["status"].get("containerStatuses", [])}
        resizing = [one for one in pod["status"].get("conditions", []) if one["type"].startswith("PodResize")]
        return pod["status"].get("observedGeneration") == generation and not resizing and all(told[one].get("limits", {}) == spec[one].get("limits", {}) for one in spec)
    pod = bed.wait(name, done, "resized", 20)
    check(is_ready(pod) and all(one["restartCount"] == 0 for one in pod["status"]["containerStatuses"]), pod["status"])
    for one in pod["spec"]["containers"]:
        allocated = status_of(pod, one["name"]).get("allocatedResources", {})
        check(allocated == one.get("resources", {}).get("requests", {}), one["name"], "is allocated", allocated)
    return pod


@test()
def limits_arrive(bed):
    bed.pod("has", idle(**given("100m", "20Mi", "500m", "40Mi")))
    bed.ready("has")
    arrives(bed, "has", "main", 500, 40 * MI)
    config = bed.inspect("has")["HostConfig"]
    check(config["Memory"] == 40 * MI and config["CpuShares"] == 102, config["Memory"], config["CpuShares"])


@several({
    # Before and after, of each container: CPU and memory, requests like limits.
    "net_increase": ([("100m", "50Mi"), ("100m", "50Mi"), ("200m", "80Mi")], [("150m", "60Mi"), ("150m", "60Mi"), ("150m", "70Mi")]),
    "net_decrease": ([("100m", "50Mi"), ("200m", "80Mi"), ("200m", "80Mi")], [("120m", "60Mi"), ("100m", "60Mi"), ("100m", "60Mi")]),
    "mixed": ([("100m", "50Mi"), ("200m", "50Mi"), ("100m", "50Mi")], [("150m", "50Mi"), ("100m", "60Mi"), ("150m", "60Mi")]),
})
def guaranteed_resized(bed, sizes):
    before, after = sizes
    bed.pod("sized", *(idle(f"c{n}", **both(*size)) for n, size in enumerate(before)))
    started = bed.ready("sized")
    ids = {one["name"]: one["containerID"] for one in started["status"]["containerStatuses"]}
    pod = resize(bed, "sized", {f"c{n}": both(*size) for n, size in enumerate(after)})
    check(pod["metadata"]["generation"] == 2 and pod["status"]["qosClass"] == "Guaranteed", pod["metadata"], pod["status"])
    pod = settled(bed, "sized", 2)
    check({one["name"]: one["containerID"] for one in pod["status"]["containerStatuses"]} == ids, "containers were replaced")
    for n, (cpu, memory) in enumerate(after):
        arrives(bed, "sized", f"c{n}", int(cpu[:-1]), int(memory[:-2]) * MI)


@test()
def burstable_resized(bed):
    """Six containers at once: more, less, limits added, requests added, nothing."""
    before = [given("50m", "20Mi", "100m", "40Mi"), given("50m", "20Mi", "100m", "40Mi"), given("50m", "20Mi"), given(), given("50m", "20Mi", "100m", "40Mi"), given("50m")]
    after = [given("60m", "20Mi", "150m", "50Mi"), given("40m", "20Mi", "80m", "45Mi"), given("50m", "20Mi", "100m", "40Mi"), given("20m", "20Mi"), None, given("60m", "20Mi")]
    bed.pod("sized", *(idle(f"c{n}", **one) for n, one in enumerate(before)))
    bed.ready("sized")
    resize(bed, "sized", {f"c{n}": one for n, one in enumerate(after) if one})
    settled(bed, "sized", 2)
    for name, millis, memory in (("c0", 150, 50), ("c1", 80, 45), ("c2", 100, 40), ("c4", 100, 40)):
        arrives(bed, "sized", name, millis, memory * MI)
    arrives(bed, "sized", "c3", None, None)
    check(bed.inspect("sized", "c3")["HostConfig"]["CpuShares"] == 20, "shares of c3")


@test()
def resized_to_what_is_the_same(bed):
    bed.pod("sized", idle(**given("1m", "20Mi", "10m", "40Mi")))
    bed.ready("sized")
    resize(bed, "sized", {"main": given("2m", "20Mi", "10m", "40Mi")})
    settled(bed, "sized", 2)
    # The engine counts CPU in shares and none below two: here nothing changes, and the status says so all the same.
    check(bed.get("pods", "sized")["status"]["containerStatuses"][0]["allocatedResources"]["cpu"] == "2m", "allocated")


@test()
def resized_by_replace(bed):
    bed.pod("sized", idle(**both("100m", "50Mi")))
    bed.ready("sized")
    resize(bed, "sized", {"main": both("200m", "60Mi")}, verb="PUT")
    settled(bed, "sized", 2)
    arrives(bed, "sized", "main", 200, 60 * MI)
    answer = resize(bed, "sized", {"main": given("200m", "60Mi")}, verb="PUT", expect=(422,))
    check("resources" in answer["message"] or "QOS" in answer["message"].upper(), answer)


@test()
def resize_that_wants_a_restart(bed):
    bed.pod("sized", idle(**both("100m", "50Mi"), resizePolicy=[{"resourceName": "memory", "restartPolicy": "RestartContainer"}, {"resourceName": "cpu", "restartPolicy": "NotRequired"}]))
    bed.ready("sized")
    resize(bed, "sized", {"main": both("100m", "60Mi")})
    pod = bed.wait("sized", lambda pod: status_of(pod)["restartCount"] == 1 and is_ready(pod), "started again", 20)
    check(pod["status"]["observedGeneration"] == 2, pod["status"])
    arrives(bed, "sized", "main", 100, 60 * MI)


@test()
def more_than_fits_is_put_off(bed):
    bed.pod("sized", idle(**both("100m", "50Mi")))
    bed.ready("sized")
    resize(bed, "sized", {"main": both("1000", "50Mi")})
    pod = bed.wait("sized", lambda pod: any(one["type"] == "PodResizePending" for one in pod["status"]["conditions"]), "put off", 15)
    reason = [one["reason"] for one in pod["status"]["conditions"] if one["type"] == "PodResizePending"]
    check(reason == ["Infeasible"] and is_ready(pod), pod["status"])
    arrives(bed, "sized", "main", 100, 50 * MI)


@test()
def an_empty_dir_that_grows_too_large_evicts(bed):
    bed.pod("fills", shell("dd if=/dev/zero of=/d/x bs=1M count=8; sleep 1000", volumeMounts=[mount("d", "/d")]), volumes=[{"name": "d", "emptyDir": {"sizeLimit": "2Mi"}}])
    pod = bed.wait("fills", has_ended, "evicted", 90)
    check(pod["status"]["phase"] == "Failed" and pod["status"]["reason"] == "Evicted", pod["status"])
