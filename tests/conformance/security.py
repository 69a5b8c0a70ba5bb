"""Who a container is, and what it may do, seen from inside it."""
from bed import check, has_ended, idle, mount, several, shell, status_of, test


def caps(text):
    return {line.split(":")[0]: int(line.split()[1], 16) for line in text.splitlines() if line.startswith("Cap")}


def context(**given):
    return {"securityContext": given}


@test()
def user(bed):
    check(bed.output("is", shell("id -u", **context(runAsUser=65534))) == "65534\n", "the user")


@several({"pod": (True, False), "container": (False, True), "container_over_pod": (True, True)})
def group(bed, given):
    of_pod, of_container = given
    container = shell("id -u; id -g; id -G", **(context(runAsUser=1001, runAsGroup=2002) if of_container else {}))
    text = bed.output("is", container, **(context(runAsUser=1001 if not of_container else 7, runAsGroup=2002 if not of_container else 8) if of_pod else {}))
    lines = text.split("\n")
    check(lines[0] == "1001" and lines[1] == "2002" and lines[2].split() == ["2002"], text)


@test()
def groups_of_the_pod(bed):
    text = bed.output("is", shell("id -G; stat -c %g:%a /d; touch /d/x; stat -c %g /d/x", **context(runAsUser=1000, runAsGroup=3000), volumeMounts=[mount("d", "/d")]),
                      volumes=[{"name": "d", "emptyDir": {}}], **context(fsGroup=2000, supplementalGroups=[4000, 5000]))
    lines = text.splitlines()
    check(sorted(lines[0].split()) == ["2000", "3000", "4000", "5000"], text)
    check(lines[1].startswith("2000:2") and lines[2] == "2000", text)


@test()
def root_is_refused(bed):
    bed.pod("root", shell("id", **context(runAsNonRoot=True)), restartPolicy="Never")
    pod = bed.waits("root", "CreateContainerConfigError")
    check("root" in status_of(pod)["state"]["waiting"]["message"] and not bed.is_there("root"), pod["status"])
    check(bed.output("user", shell("id -u", **context(runAsNonRoot=True, runAsUser=1000))) == "1000\n", "uid")


@test()
def unprivileged(bed):
    text = bed.output("is", shell("ip link add dummy0 type dummy 2>&1 || echo refused; grep Cap /proc/self/status; ls /dev", **context(privileged=False)))
    check("refused" in text and caps(text)["CapEff"] == 0xa80425fb, text)
    check("loop-control" not in text and "kmsg" not in text, text)


@test()
def privileged(bed):
    bed.pod("is", shell("grep Cap /proc/self/status; ls /dev", **context(privileged=True)), restartPolicy="Never")
    # A host that lacks a right itself says so, and starts nothing with less.
    pod = bed.wait("is", lambda pod: has_ended(pod) or "waiting" in status_of(pod).get("state", {}) and status_of(pod)["state"]["waiting"]["reason"].endswith("Error"), "an answer")
    if pod["status"]["phase"] == "Succeeded":
        check(caps(bed.log("is"))["CapEff"] & 0xa80425fb == 0xa80425fb and caps(bed.log("is"))["CapEff"] > 0xa80425fb, bed.log("is"))
    check(bed.inspect("is")["HostConfig"]["Privileged"] is True, "privileged")


@several({"writable": (False, "written\n"), "read_only": (True, "refused\n")})
def root_file_system(bed, given):
    read_only, wanted = given
    text = bed.output("writes", shell("(echo x > /file) 2>/dev/null && echo written || echo refused", **context(readOnlyRootFilesystem=read_only)))
    check(text == wanted, text)


@test()
def escalation(bed):
    bed.pod("asks", shell("grep NoNewPrivs /proc/self/status", "no", **context(allowPrivilegeEscalation=False, runAsUser=1000)),
            shell("grep NoNewPrivs /proc/self/status", "yes", **context(allowPrivilegeEscalation=True, runAsUser=1000)),
            shell("grep NoNewPrivs /proc/self/status", "default", **context(runAsUser=1000)), restartPolicy="Never")
    bed.ended("asks")
    check([bed.log("asks", name).split()[1] for name in ("no", "yes", "default")] == ["1", "0", "0"], "no_new_privs")


@test()
def escalation_by_a_program(bed):
    """A program that belongs to root and says so (set-user-ID) makes nobody root where that is forbidden."""
    prepare = shell("cp /bin/busybox /d/id; chmod 4755 /d/id", "prepare", volumeMounts=[mount("d", "/d")])
    run = {"volumeMounts": [mount("d", "/d")]}
    bed.pod("asks", shell("/d/id -u", "no", **run, **context(allowPrivilegeEscalation=False, runAsUser=1000)), shell("/d/id -u", "yes", **run, **context(runAsUser=1000)),
            initContainers=[prepare], volumes=[{"name": "d", "emptyDir": {}}], restartPolicy="Never")
    bed.ended("asks")
    # busybox gives up its rights itself, but keeps them where `id` is run by root's right: the effective one is told.
    check(bed.log("asks", "no") == "1000\n", bed.log("asks", "no"))


@test()
def capabilities(bed):
    script = "grep Cap /proc/self/status"
    bed.pod("has", shell(script, "none", **context(capabilities={"drop": ["ALL"]})), shell(script, "some", **context(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})),
            shell(script, "less", **context(capabilities={"drop": ["CHOWN"]})), restartPolicy="Never")
    bed.ended("has")
    got = {name: caps(bed.log("has", name))["CapEff"] for name in ("none", "some", "less")}
    check(got == {"none": 0, "some": 1 << 10, "less": 0xa80425fb & ~1}, got)


@test()
def seccomp(bed):
    script = "grep Seccomp: /proc/self/status"
    bed.pod("has", shell(script, "default", **context(seccompProfile={"type": "RuntimeDefault"})), shell(script, "none", **context(seccompProfile={"type": "Unconfined"})), restartPolicy="Never")
    bed.ended("has")
    check(bed.log("has", "default").split()[1] == "2" and bed.log("has", "none").split()[1] == "0", bed.log("has", "default"), bed.log("has", "none"))


@test()
def seccomp_profile_that_is_not_there(bed):
    bed.pod("waits", shell("true", **context(seccompProfile={"type": "Localhost", "localhostProfile": "none.json"})), restartPolicy="Never")
    pod = bed.wait("waits", lambda pod: "waiting" in status_of(pod).get("state", {}) and status_of(pod)["state"]["waiting"]["reason"].startswith("CreateContainer") and "Error" in status_of(pod)["state"]["waiting"]["reason"], "an error")
    check(not bed.is_there("waits") and "none.json" in status_of(pod)["state"]["waiting"]["message"], pod["status"])


@test()
def sysctls(bed):
    bed.pod("has", shell("cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced"), restartPolicy="Never",
            **context(sysctls=[{"name": "kernel.shm_rmid_forced", "value": "1"}, {"name": "net.ipv4.ip_local_port_range", "value": "20000 30000"}]))
    bed.ended("has")
    check(bed.log("has").split() == ["20000", "30000", "1"], bed.log("has"))


@test()
def sysctls_that_are_wrong(bed):
    names = ["foo-", "kernel.shmmax", "safe-and-unsafe", "bar..", "foo.bar/x y"]
    answer = bed.pod("bad", shell("true"), expect=422, **context(sysctls=[{"name": name, "value": "1"} for name in names]))
    fields = [cause["field"] for cause in answer["details"]["causes"]]
    check(fields == ["spec.securityContext.sysctls[0].name", "spec.securityContext.sysctls[3].name", "spec.securityContext.sysctls[4].name"], fields)


@test()
def masked_paths(bed):
    text = bed.output("sees", shell("cat /proc/kcore 2>&1 | head -c 10 | wc -c; (echo 1 > /proc/sys/kernel/domainname) 2>/dev/null && echo written || echo refused"))
    check(text.split() == ["0", "refused"] or text.split()[1:] == ["refused"], text)


@test()
def token_of_the_account(bed):
    place = "/var/run/secrets/kubernetes.io/serviceaccount"
    bed.pod("has", idle(), automountServiceAccountToken=True)
    bed.pod("without", idle())
    bed.ready("has")
    bed.ready("without")
    check(bed.sh("has", f"cat {place}/namespace") == bed.namespace and bed.sh("has", f"cat {place}/token").count(".") == 2 and "BEGIN CERTIFICATE" in bed.sh("has", f"cat {place}/ca.crt"), "the files")
    check(bed.run("without", "ls", place)[0] != 0, "a pod that wants none has a token")
