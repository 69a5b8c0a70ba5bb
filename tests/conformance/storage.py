"""Folders of a pod, parts of volumes, folders of the host, claims."""
import os

from bed import check, idle, mount, several, shell, status_of, test

D = [mount("d", "/d")]


def folder(medium):
    return {"name": "d", "emptyDir": {"medium": "Memory"} if medium else {}}


@several({"disk_root": (False, 0), "disk_user": (False, 1001), "memory_root": (True, 0), "memory_user": (True, 1001)})
def empty_dir(bed, given):
    """Files of each mode, made by root or another user."""
    medium, user = given
    script = "for m in 644 666 777; do echo content > /d/$m; chmod $m /d/$m; cat /d/$m; done; stat -c '%a %u' /d/644 /d/666 /d/777; grep ' /d ' /proc/mounts"
    text = bed.output("writes", shell(script, volumeMounts=D, securityContext={"runAsUser": user}), volumes=[folder(medium)])
    lines = text.splitlines()
    check(lines[:6] == ["content"] * 3 + [f"{mode} {user}" for mode in (644, 666, 777)], text)
    check((lines[6].split()[2] == "tmpfs") == medium, "the file system", lines[6])


@several({"disk": False, "memory": True})
def empty_dir_mode(bed, medium):
    text = bed.output("looks", shell("stat -c '%a %u:%g' /d; ls -A /d | wc -l", volumeMounts=D), volumes=[folder(medium)])
    check(text in ("777 0:0\n0\n", "1777 0:0\n0\n") and (medium or text.startswith("777")), text)


@test()
def empty_dir_is_shared(bed):
    bed.pod("shares", shell("echo word > /d/file; sleep 1000", "writes", volumeMounts=D), idle("reads", volumeMounts=[mount("d", "/other")]), volumes=[folder(False)])
    bed.ready("shares")
    bed.inside("shares", "cat /other/file", "word\n", container="reads")


@test()
def empty_dir_outlives_a_restart(bed):
    bed.pod("stays", shell("if [ -e /d/first ]; then cat /d/first; sleep 1000; fi; echo kept > /d/first; exit 1", volumeMounts=D), volumes=[folder(False)])
    bed.wait("stays", lambda pod: status_of(pod).get("restartCount", 0) >= 1 and "running" in status_of(pod)["state"], "started again")
    bed.until(lambda: bed.log("stays") == "kept\n", "the file of before")


@test()
def empty_dir_of_memory_has_its_size(bed):
    text = bed.output("fills", shell("df -m /d | tail -n 1 | awk '{print $2}'; dd if=/dev/zero of=/d/x bs=1M count=9 2>/dev/null && echo more || echo full", volumeMounts=D), volumes=[{"name": "d", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}])
    check(text.split() == ["8", "full"], text)


# === parts of volumes ===

def sources(bed):
    bed.make("configmaps", "map", data={"word": "of-map"})
    bed.make("secrets", "secret", stringData={"word": "of-secret"})
    info = [{"path": "word", "fieldRef": {"fieldPath": "metadata.name"}}]
    return {"configmap": ({"configMap": {"name": "map"}}, "of-map"), "secret": ({"secret": {"secretName": "secret"}}, "of-secret"), "downward": ({"downwardAPI": {"items": info}}, "reads"),
            "projected": ({"projected": {"sources": [{"configMap": {"name": "map"}}, {"downwardAPI": {"items": [{**info[0], "path": "name"}]}}]}}, "of-map")}


@several({name: name for name in ("configmap", "secret", "downward", "projected")})
def sub_path(bed, kind):
    source, wanted = sources(bed)[kind]
    # In another container the same part is what its program finds from the first moment to the last.
    script = "for n in 1 2 3 4 5 6; do cat /part; sleep 0.2; done"
    text = bed.output("reads", shell(script, volumeMounts=[mount("d", "/part", subPath="word")]), volumes=[{"name": "d", **source}])
    check(text == wanted * 6, text)


@test()
def sub_path_over_a_file(bed):
    bed.make("configmaps", "map", data={"hosts-part": "over"})
    text = bed.output("reads", shell("cat /etc/passwd; ls /etc | grep -c group", volumeMounts=[mount("d", "/etc/passwd", subPath="hosts-part")]), volumes=[{"name": "d", "configMap": {"name": "map"}}])
    check(text == "over1\n", text)


NAME = {"env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "NOTE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['note']"}}}]}


@test()
def sub_path_of_variables(bed):
    where = [mount("d", "/part", subPathExpr="in/$(POD_NAME)"), mount("d", "/whole")]
    text = bed.output("writes", shell("echo word > /part/file; cat /whole/in/writes/file", volumeMounts=where, **NAME), volumes=[folder(False)])
    check(text == "word\n", text)


@test()
def sub_path_written_by_two(bed):
    """What one container writes to its part, another sees in the whole; and again after a restart."""
    bed.pod("writes", idle("one", volumeMounts=[mount("d", "/part", subPathExpr="$(POD_NAME)")], **NAME), idle("two", volumeMounts=[mount("d", "/whole")]), volumes=[folder(False)])
    bed.ready("writes")
    bed.sh("writes", "echo word > /part/file", "one")
    check(bed.sh("writes", "cat /whole/writes/file", "two") == "word\n", "the file")
    bed.host.docker("kill", f"{bed.namespace}.writes.one")
    bed.host.docker("start", f"{bed.namespace}.writes.one")
    bed.wait("writes", lambda pod: "running" in status_of(pod, "one")["state"], "runs again")
    check(bed.sh("writes", "cat /part/file", "one") == "word\n", "after the restart")


@several({"absolute": "/tmp", "backticks": "..", "shell": "`hostname`/x"})
def sub_path_that_is_wrong(bed, value):
    container = idle(volumeMounts=[mount("d", "/part", subPathExpr="$(WHERE)")], env=[{"name": "WHERE", "value": value}])
    bed.pod("fails", container, volumes=[folder(False)])
    if value.startswith("`"):
        # Not run by any shell: a name like others.
        pod = bed.pod("plain", container, volumes=[folder(False)])
        bed.ready("plain")
        place = os.path.join(bed.k2d.data, "volumes", pod["metadata"]["uid"])
        check(any("`hostname`" in names for _, names, _ in os.walk(place)), "no folder of that name")
        return
    pod = bed.waits("fails", "CreateContainerConfigError")
    check(not bed.is_there("fails"), "a container is there")


@test()
def sub_path_that_is_mended(bed):
    """A subPathExpr that cannot be, until an annotation is changed while the pod waits."""
    bed.pod("mends", idle(volumeMounts=[mount("d", "/part", subPathExpr="$(NOTE)"), mount("d", "/whole")], **NAME), volumes=[folder(False)], annotations={"note": "/absolute"})
    bed.waits("mends", "CreateContainerConfigError")
    bed.patch("pods", "mends", {"metadata": {"annotations": {"note": "relative"}}})
    bed.ready("mends", 30)
    check(bed.sh("mends", "ls /whole") == "relative\n", "the folder")


# === folders of the host, claims ===

@test()
def host_path(bed):
    place = bed.scratch()
    os.makedirs(place)
    with open(f"{place}/file", "w") as file:
        file.write("of-host\n")
    volumes = [{"name": "f", "hostPath": {"path": f"{place}/file", "type": "File"}}, {"name": "d", "hostPath": {"path": f"{place}/new", "type": "DirectoryOrCreate"}}, {"name": "n", "hostPath": {"path": f"{place}/made", "type": "FileOrCreate"}}]
    text = bed.output("reads", shell("cat /f; echo out > /d/x; test -f /n && echo made", volumeMounts=[mount("f", "/f", readOnly=True), *D, mount("n", "/n")]), volumes=volumes)
    with open(f"{place}/new/x") as file:
        check(text == "of-host\nmade\n" and file.read() == "out\n", text)
    bed.pod("lacks", idle(volumeMounts=D), volumes=[{"name": "d", "hostPath": {"path": f"{place}/none", "type": "Directory"}}])
    bed.until(lambda: [one for one in bed.events("lacks") if one["reason"] == "FailedMount" and "hostPath type check failed" in one["message"]], "an event FailedMount")


@test()
def claim(bed):
    """What is written to a claim is there for the next pod, in an engine volume that docker shows, and goes with the claim."""
    bed.make("persistentvolumeclaims", "keeps", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}})
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "keeps"}}]
    bed.output("writes", shell("echo kept > /d/file", volumeMounts=D), volumes=volumes)
    bed.delete("pods", "writes")
    bed.gone("writes", 20)
    check(bed.output("reads", shell("cat /d/file; (echo x > /d/y) 2>/dev/null && echo written || echo refused", volumeMounts=[mount("d", "/d", readOnly=True)]), volumes=volumes) == "kept\nrefused\n", "the file")
    check(bed.get("persistentvolumeclaims", "keeps")["status"]["phase"] == "Bound", "bound")
    check(f"{bed.namespace}.keeps" in bed.host.docker("volume", "ls", "-q").split(), "docker shows no volume")
    bed.delete("pods", "reads")
    bed.gone("reads", 20)
    bed.delete("persistentvolumeclaims", "keeps")
    bed.until(lambda: f"{bed.namespace}.keeps" not in bed.host.docker("volume", "ls", "-q").split(), "the volume is gone", 20)


@test()
def image_volume(bed):
    """The files of an image, pulled anew from a registry that can be reached; where the engine has none, that is said."""
    image = {"reference": "127.0.0.1:5000/plant/busybox:1", "pullPolicy": "Always"}
    script = "ls /image/bin/busybox; (echo x > /image/new) 2>/dev/null && echo written || echo refused"
    bed.pod("reads", shell(script, volumeMounts=[mount("i", "/image")]), volumes=[{"name": "i", "image": image}], restartPolicy="Never")
    if int(bed.host.docker("version", "-f", "{{.Server.Version}}").split(".")[0]) >= 28:
        bed.ended("reads")
        check(bed.log("reads") == "/image/bin/busybox\nrefused\n", bed.log("reads"))
    else:
        pod = bed.waits("reads", "CreateContainerError")
        check("does not support the files of an image as a volume" in status_of(pod)["state"]["waiting"]["message"] and not bed.is_there("reads"), pod["status"])
