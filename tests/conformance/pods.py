"""Pods as objects that live: created, seen, changed, ended by a deadline, deleted; generations, classes of service, status."""
import time

from bed import BUSYBOX, check, condition, idle, is_ready, is_running, shell, status_of, test


@test()
def is_submitted_and_removed(bed):
    path = f"{bed.path('pods')}?watch=1&labelSelector=time%3Dnow"
    version = bed.ask("GET", bed.path("pods"))["metadata"]["resourceVersion"]
    events = bed.api.watch(f"{path}&resourceVersion={version}", 40)
    bed.pod("comes", idle(), labels={"time": "now"}, terminationGracePeriodSeconds=30)
    check(next(events)["type"] == "ADDED", "the first event")
    bed.ready("comes")
    check(bed.ask("DELETE", bed.path("pods", "comes"))["metadata"]["deletionGracePeriodSeconds"] == 30, "the grace it is given")
    types = []
    for event in events:
        types.append(event["type"])
        if event["type"] == "DELETED":
            break
    check(set(types[:-1]) == {"MODIFIED"} and types[-1] == "DELETED" and event["object"]["metadata"]["deletionTimestamp"], types)
    check(bed.ask("GET", f"{bed.path('pods')}?labelSelector=time%3Dnow")["items"] == [], "a pod is listed")
    check(not bed.is_there("comes"), "its container stays")


@test()
def labels_are_changed_while_it_runs(bed):
    pod = bed.pod("changes", idle(), labels={"time": "before"})
    started = status_of(bed.ready("changes"))["state"]["running"]["startedAt"]
    bed.patch("pods", "changes", {"metadata": {"labels": {"time": "after"}}})
    found = bed.ask("GET", f"{bed.path('pods')}?labelSelector=time%3Dafter")["items"]
    check(len(found) == 1 and found[0]["metadata"]["uid"] == pod["metadata"]["uid"], found)
    check(status_of(found[0])["state"]["running"]["startedAt"] == started and status_of(found[0])["restartCount"] == 0, found[0]["status"])


@test()
def a_deadline_can_be_set_later(bed):
    bed.pod("works", idle())
    bed.ready("works")
    bed.patch("pods", "works", {"spec": {"activeDeadlineSeconds": 3}})
    pod = bed.wait("works", lambda pod: pod["status"]["phase"] == "Failed", "Failed", 30)
    check(pod["status"]["reason"] == "DeadlineExceeded" and "deadline" in pod["status"]["message"], pod["status"])
    bed.until(lambda: not bed.inspect("works")["State"]["Running"], "the container has ended", 15)
    answer = bed.patch("pods", "works", {"spec": {"activeDeadlineSeconds": 30}}, expect=422)
    check("activeDeadlineSeconds" in answer["message"], answer)


@test()
def a_collection_is_deleted(bed):
    for name in ("one", "two", "three"):
        bed.pod(name, idle(), labels={"type": "testing"})
    bed.pod("other", idle())
    for name in ("one", "two", "three", "other"):
        bed.ready(name)
    bed.ask("DELETE", f"{bed.path('pods')}?labelSelector=type%3Dtesting")
    for name in ("one", "two", "three"):
        bed.gone(name, 20)
    check(is_running(bed.get("pods", "other")), "the other one")


@test()
def has_the_host_s_address(bed):
    bed.pod("lives", idle())
    status = bed.ready("lives")["status"]
    addresses = [one["address"] for one in bed.node()["status"]["addresses"] if one["type"] == "InternalIP"]
    check(status["hostIP"] in addresses and status["hostIPs"][0]["ip"] == status["hostIP"], status, addresses)


@test()
def status_is_patched(bed):
    bed.pod("patched", idle(), readinessGates=[{"conditionType": "example.org/passed"}])
    bed.wait("patched", lambda pod: condition(pod, "ContainersReady") == "True", "its containers are ready")
    check(not is_ready(bed.get("pods", "patched")), "ready before its gate")
    change = {"status": {"conditions": [{"type": "example.org/passed", "status": "True"}], "message": "patched"}}
    body = bed.ask("PATCH", bed.path("pods", "patched", "status"), change, kind="application/strategic-merge-patch+json")
    check(condition(body, "example.org/passed") == "True" and condition(body, "PodScheduled") == "True", body["status"])
    bed.ready("patched", 10)


@test()
def lives_from_first_to_last_event(bed):
    """The whole way with its events, a patch, an update of the status, and the end."""
    version = bed.ask("GET", bed.path("pods"))["metadata"]["resourceVersion"]
    bed.pod("walks", idle(), labels={"walk": "on"})
    bed.ready("walks")
    bed.patch("pods", "walks", {"metadata": {"labels": {"walk": "further"}}, "spec": {"containers": [idle() | {"image": BUSYBOX}]}}, expect=(200, 422))
    bed.patch("pods", "walks", {"metadata": {"labels": {"walk": "further"}}})
    pod = bed.get("pods", "walks")
    pod["status"]["conditions"] = [one | {"status": "False"} if one["type"] == "Ready" else one for one in pod["status"]["conditions"]]
    bed.ask("PUT", bed.path("pods", "walks", "status"), pod, expect=(200, 409))
    # What is not so is put right again.
    bed.ready("walks", 15)
    bed.delete("pods", "walks")
    bed.gone("walks", 15)
    types = [event["type"] for event in bed.api.watch(f"{bed.path('pods')}?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3Dwalks", 1)]
    check(types[0] == "ADDED" and types[-1] == "DELETED" and set(types[1:-1]) == {"MODIFIED"}, types)
    reasons = [one["reason"] for one in bed.events("walks")]
    check({"Scheduled", "Pulled", "Created", "Started", "Killing"} <= set(reasons), reasons)


@test()
def generations(bed):
    pod = bed.pod("counts", idle())
    check(pod["metadata"]["generation"] == 1, pod["metadata"])
    pod = bed.ready("counts")
    check(pod["status"]["observedGeneration"] == 1 and all(one["observedGeneration"] == 1 for one in pod["status"]["conditions"]), pod["status"])
    check(bed.patch("pods", "counts", {"metadata": {"labels": {"x": "y"}}})["metadata"]["generation"] == 1, "a label counts")
    toleration = {"spec": {"tolerations": [*pod["spec"]["tolerations"], {"key": "x", "operator": "Exists"}]}}
    check(bed.patch("pods", "counts", toleration)["metadata"]["generation"] == 2, "a toleration does not count")
    check(bed.patch("pods", "counts", {"spec": {"activeDeadlineSeconds": 5000}})["metadata"]["generation"] == 3, "a deadline does not count")
    bed.wait("counts", lambda pod: pod["status"]["observedGeneration"] == 3, "observed", 10)


@test()
def generation_counts_a_graceful_delete(bed):
    pod = bed.make("pods", "goes", spec={"containers": [shell("trap '' TERM; sleep 100")], "terminationGracePeriodSeconds": 2},
                   labels={})
    check(pod["metadata"]["generation"] == 1, pod["metadata"])
    bed.ready("goes")
    bed.delete("pods", "goes")
    going = bed.get("pods", "goes")
    check(going["metadata"]["generation"] == 2 and going["metadata"]["deletionTimestamp"], going["metadata"])
    bed.gone("goes", 15)
    custom = bed.ask("POST", bed.path("pods"), {"metadata": {"name": "custom", "generation": 100}, "spec": {"containers": [idle()], "terminationGracePeriodSeconds": 0}})
    check(custom["metadata"]["generation"] == 1, custom["metadata"])


@test(slow=True)
def generation_follows_500_updates(bed):
    bed.pod("counts", idle())
    bed.ready("counts")
    for number in range(500):
        got = bed.patch("pods", "counts", {"spec": {"activeDeadlineSeconds": 5000 - number}})
    check(got["metadata"]["generation"] == 501, got["metadata"]["generation"])
    pod = bed.wait("counts", lambda pod: pod["status"]["observedGeneration"] == 501, "observed", 20)
    check(status_of(pod)["restartCount"] == 0, pod["status"])


@test()
def classes_of_service(bed):
    both = {"cpu": "10m", "memory": "16Mi"}
    for name, resources, wanted, score in (("guaranteed", {"requests": both, "limits": both}, "Guaranteed", -997), ("best", {}, "BestEffort", 1000),
                                           ("burstable", {"requests": {"memory": "16Mi"}}, "Burstable", None)):
        pod = bed.pod(name, idle(resources=resources))
        check(pod["status"]["qosClass"] == wanted, name, pod["status"])
        bed.ready(name)
        given = int(bed.sh(name, "cat /proc/1/oom_score_adj"))
        # A host may be forbidden to go below a score of its own.
        check(given == score or (score is None and 2 <= given <= 999) or (score == -997 and given < 1000), name, "has oom_score_adj", given)


@test()
def is_deleted_with_grace_and_by_force(bed):
    bed.pod("slow", shell("trap '' TERM; echo up; sleep 100000"), terminationGracePeriodSeconds=60)
    bed.ready("slow")
    bed.delete("pods", "slow")
    going = bed.wait("slow", lambda pod: pod["metadata"].get("deletionTimestamp"), "a deletion")
    check(going["metadata"]["deletionGracePeriodSeconds"] == 60 and is_running(going), going["metadata"])
    begin = time.monotonic()
    bed.delete("pods", "slow", "?gracePeriodSeconds=1")
    bed.gone("slow", 15)
    check(time.monotonic() - begin < 10, "a shorter grace does not count")
    bed.pod("forced", shell("trap '' TERM; sleep 100000"), terminationGracePeriodSeconds=60)
    bed.ready("forced")
    bed.delete("pods", "forced", "?gracePeriodSeconds=0")
    bed.gone("forced", 5)
    bed.until(lambda: not bed.is_there("forced"), "its container is gone", 15)


@test()
def shares_its_process_namespace(bed):
    bed.pod("shares", shell("sleep 12345", name="a"), idle("b"), shareProcessNamespace=True)
    bed.pod("apart", shell("sleep 12346", name="a"), idle("b"))
    bed.ready("shares")
    bed.ready("apart")
    check("sleep 12345" in bed.sh("shares", "ps", "b"), "b does not see a")
    check("sleep 12346" not in bed.sh("apart", "ps", "b"), "b sees a")


@test()
def names_of_a_pod(bed):
    bed.pod("plain", idle())
    bed.pod("named", idle(), hostname="host", subdomain="sub")
    bed.pod("full", idle(), hostname="host", subdomain="sub", setHostnameAsFQDN=True)
    for name in ("plain", "named", "full"):
        bed.ready(name)
    check(bed.sh("plain", "hostname") == "plain\n", "plain")
    check(bed.sh("named", "hostname") == "host\n", bed.sh("named", "hostname"))
    full = f"host.sub.{bed.namespace}.svc.cluster.local"
    check(full in bed.sh("named", "cat /etc/hosts"), bed.sh("named", "cat /etc/hosts"))
    check(bed.sh("full", "hostname") == full + "\n", bed.sh("full", "hostname"))
