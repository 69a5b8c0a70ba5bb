"""What a pod is told of itself in files, alone and projected; and projections of several sources at once."""
import base64

from bed import check, idle, mount, several, shell, test

PLAIN, PROJECTED = "plain", "projected"
FORMS = {PLAIN: PLAIN, PROJECTED: PROJECTED}


def field(path, to, **more):
    return {"path": to, "fieldRef": {"fieldPath": path}, **more}


def resource(name, to, **more):
    return {"path": to, "resourceFieldRef": {"containerName": "main", "resource": name, **more}}


def volume(form, items, **more):
    if form == PLAIN:
        return {"name": "info", "downwardAPI": {"items": items, **more}}
    return {"name": "info", "projected": {"sources": [{"downwardAPI": {"items": items}}], **more}}


INFO = {"volumeMounts": [mount("info", "/info")]}


@several(FORMS)
def name_and_modes(bed, form):
    """The name, by default and with a mode of the volume and of one file."""
    items = [field("metadata.name", "name"), field("metadata.name", "deep/name", mode=0o400), field("metadata.namespace", "namespace"), field("metadata.uid", "uid")]
    pod = bed.pod("tells", shell("cat /info/name; stat -L -c ' %a' /info/name /info/deep/name; cat /info/namespace /info/uid", **INFO), volumes=[volume(form, items)], restartPolicy="Never")
    bed.ended("tells")
    check(bed.log("tells") == f"tells 644\n 400\n{bed.namespace}{pod['metadata']['uid']}", bed.log("tells"))
    text = bed.output("closed", shell("cat /info/name; stat -L -c ' %a' /info/name", **INFO), volumes=[volume(form, [field("metadata.name", "name")], defaultMode=0o400)])
    check(text == "closed 400\n", text)


@several(FORMS)
def resources(bed, form):
    items = [resource("limits.cpu", "cpu"), resource("requests.cpu", "cpu_request", divisor="1m"), resource("limits.memory", "memory"), resource("requests.memory", "memory_request", divisor="1Mi")]
    given = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}
    text = bed.output("tells", shell("cd /info; for f in cpu cpu_request memory memory_request; do cat $f; echo; done", resources=given, **INFO), volumes=[volume(form, items)])
    check(text.split() == ["2", "250", "67108864", "32"], text)


@several(FORMS)
def resources_of_the_node(bed, form):
    items = [resource("limits.cpu", "cpu", divisor="1m"), resource("limits.memory", "memory", divisor="1Ki")]
    text = bed.output("tells", shell("cat /info/cpu; echo; cat /info/memory", **INFO), volumes=[volume(form, items)])
    allocatable = bed.node()["status"]["allocatable"]
    cpu = int(allocatable["cpu"][:-1]) if allocatable["cpu"].endswith("m") else 1000 * int(allocatable["cpu"])
    check(text.split() == [str(cpu), allocatable["memory"].removesuffix("Ki")], text, allocatable)


@several(FORMS)
def labels_and_annotations_follow(bed, form):
    items = [field("metadata.labels", "labels"), field("metadata.annotations", "annotations"), field("metadata.labels['colour']", "colour")]
    bed.pod("tells", idle(**INFO), volumes=[volume(form, items)], labels={"colour": "red", "size": "small"}, annotations={"note": 'a "b"'})
    bed.ready("tells")
    check(bed.sh("tells", "cat /info/labels") == 'colour="red"\nsize="small"', bed.sh("tells", "cat /info/labels"))
    check('note="a \\"b\\""' in bed.sh("tells", "cat /info/annotations"), bed.sh("tells", "cat /info/annotations"))
    bed.patch("pods", "tells", {"metadata": {"labels": {"colour": "blue", "size": None}, "annotations": {"more": "yes"}}})
    bed.inside("tells", "cat /info/labels /info/colour", 'colour="blue"blue', 3)
    bed.until(lambda: 'more="yes"' in bed.sh("tells", "cat /info/annotations"), "the annotation", 3)


@test()
def all_in_one(bed):
    bed.make("configmaps", "map", data={"word": "of-map"})
    bed.make("secrets", "secret", stringData={"word": "of-secret"})
    sources = [{"configMap": {"name": "map", "items": [{"key": "word", "path": "map/word"}]}}, {"secret": {"name": "secret", "items": [{"key": "word", "path": "secret/word"}]}},
               {"downwardAPI": {"items": [field("metadata.name", "name")]}}, {"serviceAccountToken": {"path": "token", "audience": "plant", "expirationSeconds": 600}}]
    text = bed.output("reads", shell("cat /all/map/word /all/secret/word /all/name; echo; cat /all/token", volumeMounts=[mount("all", "/all")]), volumes=[{"name": "all", "projected": {"sources": sources}}])
    words, token = text.split("\n")
    check(words == "of-mapof-secretreads", text)
    body = token.split(".")[1]
    claims = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    check('"aud":["plant"]' in claims and f"system:serviceaccount:{bed.namespace}:default" in claims, claims)
