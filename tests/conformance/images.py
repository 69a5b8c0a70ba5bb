"""Where images come from, and what is told when they do not come."""
from bed import BUSYBOX, check, has_ended, idle, shell, status_of, test

HERE = "127.0.0.1:5000/plant/busybox:1"
CLOSED = "127.0.0.1:5001/plant/busybox:1"


def says(image, **more):
    return {**shell("echo runs"), "image": image, **more}


@test()
def pulled_from_a_registry(bed):
    bed.pod("pulls", says(HERE, imagePullPolicy="Always"), restartPolicy="Never")
    status = status_of(bed.ended("pulls"))
    check(status["imageID"].startswith("127.0.0.1:5000/plant/busybox@sha256:"), status)
    digest = status["imageID"]
    check([one["reason"] for one in bed.events("pulls")].count("Pulling") == 1, bed.events("pulls"))
    bed.pod("exact", says(digest), restartPolicy="Never")
    check(status_of(bed.ended("exact"))["imageID"] == digest, "by its digest")


@test()
def secret_for_a_registry(bed):
    import base64
    import json
    bed.pod("refused", says(CLOSED, imagePullPolicy="Always"))
    bed.wait("refused", lambda pod: status_of(pod).get("state", {}).get("waiting", {}).get("reason") in ("ErrImagePull", "ImagePullBackOff"), "refused")
    word = base64.b64encode(b"puller:open-sesame").decode()
    config = json.dumps({"auths": {"127.0.0.1:5001": {"auth": word}}})
    bed.make("secrets", "pull", type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": config})
    bed.pod("let-in", says(CLOSED, imagePullPolicy="Always"), imagePullSecrets=[{"name": "pull"}], restartPolicy="Never")
    bed.ended("let-in")
    bed.patch("serviceaccounts", "default", {"imagePullSecrets": [{"name": "pull"}]})
    bed.pod("by-account", says(CLOSED, imagePullPolicy="Always"), restartPolicy="Never")
    bed.ended("by-account")


@test()
def what_is_not_there(bed):
    bed.pod("none", says("127.0.0.1:5000/plant/none:1"))
    bed.wait("none", lambda pod: status_of(pod).get("state", {}).get("waiting", {}).get("reason") == "ErrImagePull", "ErrImagePull")
    bed.waits("none", "ImagePullBackOff", seconds=30)
    bed.pod("never", says("127.0.0.1:5000/plant/other:1", imagePullPolicy="Never"))
    bed.waits("never", "ErrImageNeverPull")
    bed.pod("name", says("INVALID NAME"))
    bed.waits("name", "InvalidImageName")
    for pod in ("none", "never", "name"):
        bed.delete("pods", pod)
        bed.gone(pod, 15)


@test()
def a_present_one_needs_no_network(bed):
    bed.pod("present", says(BUSYBOX, imagePullPolicy="IfNotPresent"), restartPolicy="Never")
    bed.ended("present")
    check(any("already present on machine" in one["message"] for one in bed.events("present") if one["reason"] == "Pulled"), bed.events("present"))
    bed.pod("never", says(BUSYBOX, imagePullPolicy="Never"), restartPolicy="Never")
    bed.ended("never")


@test()
def a_wrong_one_harms_nothing(bed):
    bed.pod("runs", idle())
    before = status_of(bed.ready("runs"))["containerID"]
    bed.patch("pods", "runs", {"spec": {"containers": [{**idle(), "image": "127.0.0.1:5000/plant/none:2"}]}}, expect=(200, 422))
    bed.ask("PATCH", bed.path("pods", "runs"), {"spec": {"containers": [{"name": "main", "image": "127.0.0.1:5000/plant/none:2"}]}}, kind="application/strategic-merge-patch+json")
    bed.until(lambda: [one for one in bed.events("runs") if one["reason"] == "Failed"], "the pull fails")
    check(bed.inspect("runs")["Id"] == before.removeprefix("docker://") and bed.inspect("runs")["State"]["Running"], "the container was harmed")


@test()
def an_image_is_changed(bed):
    bed.pod("changes", idle())
    bed.ready("changes")
    pod = bed.ask("PATCH", bed.path("pods", "changes"), {"spec": {"containers": [{"name": "main", "image": "busybox:1.35"}]}}, kind="application/strategic-merge-patch+json")
    check(pod["metadata"]["generation"] == 2, pod["metadata"])
    pod = bed.wait("changes", lambda pod: status_of(pod)["restartCount"] == 1 and status_of(pod)["ready"] and not has_ended(pod), "started anew", 40)
    check(bed.inspect("changes")["Config"]["Image"].endswith("busybox:1.35") or "1.35" in status_of(pod)["image"], status_of(pod))
