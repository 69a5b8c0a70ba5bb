"""Containers that come first, and those that come first and stay."""
from bed import check, condition, idle, is_ready, is_running, mount, shell, status_of, test

INIT = "initContainerStatuses"
SHARED = [{"name": "d", "emptyDir": {}}]


@test()
def come_in_order_always(bed):
    where = {"volumeMounts": [mount("d", "/d")]}
    bed.pod("comes", idle(**where), initContainers=[shell("echo 1 >> /d/order", "first", **where), shell("sleep 1; echo 2 >> /d/order", "second", **where)], volumes=SHARED)
    seen = []
    for pod in bed.states("comes"):
        seen.append(pod)
        if is_ready(pod):
            break
    pod = seen[-1]
    check(is_ready(pod) and condition(pod, "Initialized") == "True", pod["status"])
    for name in ("first", "second"):
        one = status_of(pod, name, INIT)
        check(one["state"]["terminated"]["exitCode"] == 0 and one["ready"] is True and one["restartCount"] == 0, one)
    check(any(condition(one, "Initialized") == "False" for one in seen), "it was never not initialized")
    check(bed.sh("comes", "cat /d/order") == "1\n2\n", "the order")


@test()
def come_in_order_never(bed):
    bed.pod("comes", shell("true"), initContainers=[shell("true", "first"), shell("true", "second")], restartPolicy="Never")
    pod = bed.ended("comes")
    check([one["state"]["terminated"]["exitCode"] for one in pod["status"][INIT]] == [0, 0], pod["status"])
    check(condition(pod, "Initialized") == "True", pod["status"])


@test()
def a_failed_one_fails_the_pod(bed):
    bed.pod("fails", shell("true"), initContainers=[shell("true", "first"), shell("exit 3", "second")], restartPolicy="Never")
    pod = bed.ended("fails", "Failed")
    check(status_of(pod, "second", INIT)["state"]["terminated"]["exitCode"] == 3, pod["status"])
    main = status_of(pod)
    check("waiting" in main["state"] and main["restartCount"] == 0 and not bed.is_there("fails"), main)
    check(condition(pod, "Initialized") == "False" and not is_ready(pod), pod["status"])


@test(slow=True)
def a_failed_one_is_tried_again(bed):
    bed.pod("tries", idle(), initContainers=[shell("exit 1", "first"), shell("true", "second")])
    pod = bed.wait("tries", lambda pod: status_of(pod, "first", INIT).get("restartCount", 0) >= 3, "tried three times", 90)
    check(pod["status"]["phase"] == "Pending" and condition(pod, "Initialized") == "False", pod["status"])
    check("waiting" in status_of(pod)["state"] and "waiting" in status_of(pod, "second", INIT)["state"], pod["status"])
    check(not bed.is_there("tries"), "the main container is there")


@test()
def sidecars_stay(bed):
    where = {"volumeMounts": [mount("d", "/d")]}
    side = shell("trap 'exit 0' TERM; touch /d/up; sleep 100000 & wait", "side", restartPolicy="Always", startupProbe={"exec": {"command": ["ls", "/d/up"]}, "periodSeconds": 1}, **where)
    bed.pod("has", shell("ls /d/up && sleep 2", **where), initContainers=[side, shell("ls /d/up", "after", **where)], volumes=SHARED, restartPolicy="Never")
    pod = bed.wait("has", is_running, "running")
    pod = bed.ended("has")
    check(status_of(pod, "after", INIT)["state"]["terminated"]["exitCode"] == 0, pod["status"])
    bed.wait("has", lambda pod: "terminated" in status_of(pod, "side", INIT)["state"], "the sidecar has ended as well", 20)


@test()
def sidecars_end_last(bed):
    where = {"volumeMounts": [mount("d", "/d")]}

    def ends(name, **more):
        return shell(f"trap 'echo {name} >> /d/order; exit 0' TERM; touch /d/{name}; sleep 100000 & wait", name, **where, **more)
    bed.pod("has", ends("main"), initContainers=[ends("one", restartPolicy="Always"), ends("two", restartPolicy="Always")],
            volumes=[{"name": "d", "hostPath": {"path": bed.scratch(), "type": "DirectoryOrCreate"}}], terminationGracePeriodSeconds=20)
    bed.ready("has")
    bed.until(lambda: bed.sh("has", "ls /d", "main").split() == ["main", "one", "two"], "all are up")
    bed.delete("pods", "has")
    bed.gone("has", 30)
    with open(f"{bed.scratch()}/order") as file:
        order = file.read().split()
    check(order == ["main", "two", "one"], order)


@test()
def a_sidecar_that_ends_is_started_again(bed):
    bed.pod("has", idle(), initContainers=[shell("sleep 1; exit 1", "side", restartPolicy="Always")])
    pod = bed.wait("has", lambda pod: status_of(pod, "side", INIT).get("restartCount", 0) >= 1, "started again")
    check(status_of(pod)["restartCount"] == 0, pod["status"])
