"""A container's life: what it runs, how it ends, what is told of its end, and how often it is started again."""
import threading

from bed import BUSYBOX, Failed, check, has_ended, idle, is_running, several, shell, status_of, test

IMAGES = threading.Lock()


def image(bed, name, *changes):
    """An image made of busybox, with what a Dockerfile would say of it."""
    with IMAGES:
        if bed.host.docker("images", "-q", name) == "":
            container = bed.host.docker("create", BUSYBOX)
            words = [word for change in changes for word in ("-c", change)]
            bed.host.docker("commit", *words, container, name)
            bed.host.docker("rm", container)
    return name


@several({
    "image": ({}, "entry of-image default words\n"),
    "args": ({"args": ["my", "words"]}, "entry of-image my words\n"),
    "command": ({"command": ["echo", "my-entry"]}, "my-entry\n"),
    "both": ({"command": ["echo", "my-entry"], "args": ["my", "words"]}, "my-entry my words\n"),
})
def runs(bed, given):
    words, wanted = given
    name = image(bed, "k2d.test/defaults:1", 'ENTRYPOINT ["echo","entry","of-image"]', 'CMD ["default","words"]')
    text = bed.output("says", {"name": "main", "image": name, **words})
    check(text == wanted, text)


@several({
    # What the container does, where it leaves its message, the policy; phase, message.
    "file": ("echo -n OK > /dev/termination-log; echo log", "/dev/termination-log", "FallbackToLogsOnError", "Succeeded", "OK"),
    "fallback": ("echo -n DONE; exit 1", "/dev/termination-log", "FallbackToLogsOnError", "Failed", "DONE"),
    "fallback_of_success": ("echo -n DONE", "/dev/termination-log", "FallbackToLogsOnError", "Succeeded", None),
    "path_non_root": ("echo -n DONE > /dev/termination-custom-log", "/dev/termination-custom-log", "File", "Succeeded", "DONE"),
    "file_of_failure": ("echo log; exit 1", "/dev/termination-log", "File", "Failed", None),
})
def last_words(bed, given):
    script, path, policy, phase, message = given
    user = {"securityContext": {"runAsUser": 1000}} if "custom" in path else {}
    bed.pod("ends", shell(script, terminationMessagePath=path, terminationMessagePolicy=policy, **user), restartPolicy="Never")
    ended = status_of(bed.ended("ends", phase))["state"]["terminated"]
    check(ended.get("message") == message, ended)
    check(ended["reason"] == ("Completed" if phase == "Succeeded" else "Error") and ended["containerID"].startswith("docker://"), ended)


@test(slow=True)
def restart_policies(bed):
    """The same program, which fails once and then succeeds, under each policy."""
    script = "if [ -e /seen/{0} ]; then exit 0; fi; touch /seen/{0}; exit 1"
    seen = {"volumes": [{"name": "seen", "emptyDir": {}}]}
    for policy in ("Always", "OnFailure", "Never"):
        container = shell(script.format("x"), volumeMounts=[{"name": "seen", "mountPath": "/seen"}])
        bed.pod(policy.lower(), container, restartPolicy=policy, **seen)
    never = status_of(bed.ended("never", "Failed"))
    check(never["restartCount"] == 0 and never["state"]["terminated"]["exitCode"] == 1 and never["ready"] is False, never)
    on_failure = status_of(bed.ended("onfailure", "Succeeded"))
    check(on_failure["restartCount"] == 1 and on_failure["state"]["terminated"]["exitCode"] == 0, on_failure)
    check(on_failure["lastState"]["terminated"]["exitCode"] == 1, on_failure)
    def again(pod):
        one = status_of(pod)
        return one.get("restartCount", 0) >= 2 and one["lastState"].get("terminated", {}).get("reason") == "Completed"
    check(is_running(bed.wait("always", again, "restarted twice, the second time after an end that was good", 90)), "its phase")


@test()
def a_stop_by_a_signal_is_told(bed):
    bed.pod("ends", idle(), restartPolicy="Never")
    bed.ready("ends")
    bed.host.docker("kill", "-s", "KILL", f"{bed.namespace}.ends.main")
    ended = status_of(bed.ended("ends", "Failed"))["state"]["terminated"]
    check(ended["exitCode"] == 137 and ended["startedAt"] and ended["finishedAt"], ended)


@test()
def too_much_memory_is_told(bed):
    container = shell("dd if=/dev/zero of=/dev/null bs=200M count=1; exit 7", resources={"limits": {"memory": "32Mi"}})
    bed.pod("eats", {**container, "command": ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"]}, restartPolicy="Never")
    ended = status_of(bed.ended("eats", "Failed"))["state"]["terminated"]
    check(ended["reason"] == "OOMKilled" and ended["exitCode"] == 137, ended)


@test()
def output_is_logged(bed):
    text = bed.output("speaks", shell("echo Hello World; echo to stderr >&2"))
    check(sorted(text.splitlines()) == ["Hello World", "to stderr"], text)
    stamped = bed.log("speaks", query="timestamps=true&tailLines=1").split(" ", 1)
    check(stamped[0].startswith("20") and stamped[0].endswith("Z"), stamped)


@test()
def what_fails_always_is_told_and_can_be_deleted(bed):
    bed.pod("fails", {"name": "main", "image": BUSYBOX, "command": ["/bin/false"]})
    pod = bed.wait("fails", lambda pod: status_of(pod).get("lastState", {}).get("terminated"), "an end")
    ended = status_of(pod)["lastState"]["terminated"]
    check(ended["reason"] == "Error" and ended["exitCode"] == 1, ended)
    bed.delete("pods", "fails")
    bed.gone("fails", 20)
    check(not bed.is_there("fails"), "its container stays")


@test()
def what_cannot_start_is_told(bed):
    bed.pod("starts", {"name": "main", "image": BUSYBOX, "command": ["/no/such/program"]}, restartPolicy="Never")
    pod = bed.wait("starts", lambda pod: has_ended(pod) or status_of(pod).get("state", {}).get("waiting", {}).get("reason") in ("RunContainerError", "CrashLoopBackOff"), "an error")
    check("/no/such/program" in str(status_of(pod)), status_of(pod))


@test()
def docker_and_kubernetes_say_the_same(bed):
    bed.pod("runs", idle())
    status = status_of(bed.ready("runs"))
    found = bed.inspect("runs")
    check(status["containerID"] == f"docker://{found['Id']}", status, found["Id"])
    check(found["State"]["StartedAt"].startswith(status["state"]["running"]["startedAt"][:19]), status, found["State"])
    check(status["started"] is True and status["imageID"] and status["image"].endswith(BUSYBOX), status)
    labels = found["Config"]["Labels"]
    check(labels["io.kubernetes.pod.name"] == "runs" and labels["io.kubernetes.pod.namespace"] == bed.namespace and labels["io.kubernetes.container.name"] == "main", labels)


@test()
def what_docker_does_is_seen(bed):
    bed.pod("one", idle())
    bed.ready("one")
    name = f"{bed.namespace}.one.main"
    bed.host.docker("stop", "-t", "1", name)
    bed.wait("one", lambda pod: "terminated" in status_of(pod)["state"], "stopped means stopped", 10)
    bed.host.docker("start", name)
    bed.ready("one", 15)
    bed.host.docker("rm", "-f", name)
    bed.gone("one", 15)


@test()
def ended_pods_keep_their_status(bed):
    bed.pod("done", shell("exit 0"), restartPolicy="Never")
    bed.ended("done")
    pod = bed.patch("pods", "done", {"metadata": {"labels": {"x": "y"}}})
    check(pod["status"]["phase"] == "Succeeded", pod["status"])
    ready = [one for one in pod["status"]["conditions"] if one["type"] == "Ready"][0]
    check(ready["status"] == "False" and ready["reason"] == "PodCompleted", ready)
    try:
        bed.run("done", "true")
    except Failed:
        return
    raise Failed("exec into a pod that has ended")
