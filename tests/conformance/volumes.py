"""ConfigMaps and Secrets as files, alone and projected."""
import base64

from bed import check, idle, mount, several, shell, test


class Kind:
    """Where the words come from, and how a volume of them is written."""

    def __init__(self, plural, projected):
        self.plural, self.projected = plural, projected
        self.source = "configMap" if plural == "configmaps" else "secret"

    def volume(self, name, of, **more):
        ref = "secretName" if self.source == "secret" and not self.projected else "name"
        mode = {key: more.pop(key) for key in ("defaultMode",) if key in more}
        if not self.projected:
            return {"name": name, self.source: {ref: of, **more, **mode}}
        return {"name": name, "projected": {"sources": [{self.source: {ref: of, **more}}], **mode}}

    def make(self, bed, name, words, **more):
        if self.source == "secret":
            words = {key: base64.b64encode(value.encode()).decode() for key, value in words.items()}
        return bed.make(self.plural, name, data=words, **more)

    def change(self, bed, name, words):
        if self.source == "secret":
            words = {key: value and base64.b64encode(value.encode()).decode() for key, value in words.items()}
        return bed.patch(self.plural, name, {"data": words})


KINDS = {"configmap": Kind("configmaps", False), "secret": Kind("secrets", False), "projected_configmap": Kind("configmaps", True), "projected_secret": Kind("secrets", True)}
WORDS = {"data-1": "value-1", "data-2": "value-2", "data-3": "value-3"}


@several(KINDS)
def content(bed, kind):
    """All keys, in two volumes of the same pod; nothing can be written there."""
    kind.make(bed, "words", WORDS)
    script = "cat /one/data-1 /two/data-2; ls /one; stat -L -c %a /one/data-1; (echo x > /one/new) 2>/dev/null && echo written || echo refused"
    text = bed.output("reads", shell(script, volumeMounts=[mount("one", "/one", readOnly=True), mount("two", "/two")]), volumes=[kind.volume("one", "words"), kind.volume("two", "words")])
    check(text == "value-1value-2data-1\ndata-2\ndata-3\n644\nrefused\n", text)


@several(KINDS)
def mapped(bed, kind):
    """One key at a path, and one with a mode of its own."""
    kind.make(bed, "words", WORDS)
    items = [{"key": "data-2", "path": "path/to/data-2"}, {"key": "data-1", "path": "path/own", "mode": 0o400}]
    text = bed.output("reads", shell("cat /v/path/to/data-2; stat -L -c ' %a' /v/path/own /v/path/to/data-2; ls /v", volumeMounts=[mount("v", "/v")]), volumes=[kind.volume("v", "words", items=items)])
    check(text == "value-2 400\n 644\npath\n", text)


@several(KINDS)
def mode(bed, kind):
    kind.make(bed, "words", WORDS)
    text = bed.output("reads", shell("cat /v/data-1; stat -L -c ' %a %u:%g' /v/data-1", volumeMounts=[mount("v", "/v")]), volumes=[kind.volume("v", "words", defaultMode=0o400)])
    check(text == "value-1 400 0:0\n", text)


@several(KINDS)
def non_root(bed, kind):
    """A user that is not root reads them, as they are and mapped; with a mode that lets only the group in, by fsGroup."""
    kind.make(bed, "words", WORDS)
    items = [{"key": "data-2", "path": "path/to/data-2"}]
    where = {"volumeMounts": [mount("v", "/v"), mount("m", "/m"), mount("g", "/g")], "securityContext": {"runAsUser": 1000}}
    text = bed.output("reads", shell("cat /v/data-1 /m/path/to/data-2 /g/data-3; stat -L -c ' %a %g' /g/data-3", **where),
                      volumes=[kind.volume("v", "words"), kind.volume("m", "words", items=items), kind.volume("g", "words", defaultMode=0o440)], securityContext={"fsGroup": 1001})
    check(text == "value-1value-2value-3 440 1001\n", text)


@several(KINDS)
def follows(bed, kind):
    """A key changed, added, removed; an optional object made and deleted later: each is seen soon, in whole."""
    kind.make(bed, "changes", WORDS)
    kind.make(bed, "goes", WORDS)
    names = ("changes", "goes", "comes")
    bed.pod("reads", idle(volumeMounts=[mount(name, f"/{name}") for name in names] + [mount("changes", "/fixed", subPath="data-1")]),
            volumes=[kind.volume(name, name, optional=True) for name in names])
    bed.ready("reads")
    check(bed.sh("reads", "cat /changes/data-1; ls /comes | wc -l") == "value-10\n", "the beginning")
    kind.change(bed, "changes", {"data-1": "new", "data-2": None, "data-4": "more"})
    bed.inside("reads", "cat /changes/data-1; ls /changes", "newdata-1\ndata-3\ndata-4\n", 3)
    kind.make(bed, "comes", {"data-1": "came"})
    bed.inside("reads", "cat /comes/data-1", "came", 3)
    bed.delete(kind.plural, "goes")
    bed.inside("reads", "ls /goes | wc -l", "0\n", 3)
    # A subPath is the file as it was.
    check(bed.sh("reads", "cat /fixed") == "value-1", "the subPath changed")


@several(KINDS)
def waits_for(bed, kind):
    """A pod whose object is not there yet starts when it comes; a key that is missing is told."""
    bed.pod("waits", shell("cat /v/data-1", volumeMounts=[mount("v", "/v")]), volumes=[kind.volume("v", "later")], restartPolicy="Never")
    bed.until(lambda: [one for one in bed.events("waits") if one["reason"] == "FailedMount" and "later" in one["message"]], "an event FailedMount")
    kind.make(bed, "later", WORDS)
    bed.ended("waits", seconds=20)
    check(bed.log("waits") == "value-1", "the word")
    bed.pod("lacks", idle(volumeMounts=[mount("v", "/v")]), volumes=[kind.volume("v", "later", items=[{"key": "none", "path": "x"}])])
    bed.until(lambda: [one for one in bed.events("lacks") if one["reason"] == "FailedMount" and "non-existent" in one["message"]], "an event that names the key")


@test()
def binary_data(bed):
    content = bytes(range(256))
    bed.make("configmaps", "words", data={"text": "words\n"}, binaryData={"bytes": base64.b64encode(content).decode()})
    text = bed.output("reads", shell("cat /v/text; base64 -w 0 /v/bytes", volumeMounts=[mount("v", "/v")]), volumes=[KINDS["configmap"].volume("v", "words")])
    check(text == "words\n" + base64.b64encode(content).decode(), text)


@several({"configmap": KINDS["configmap"], "secret": KINDS["secret"]})
def immutable(bed, kind):
    kind.make(bed, "words", WORDS)
    kind.change(bed, "words", {"data-1": "other"})
    bed.patch(kind.plural, "words", {"immutable": True})
    for change in ({"data": {"data-1": "bmV3"}}, {"immutable": False}, {"immutable": None}):
        answer = bed.patch(kind.plural, "words", change, expect=422)
        check("field is immutable when `immutable` is set" in answer["message"], answer)
    bed.patch(kind.plural, "words", {"metadata": {"labels": {"x": "y"}}})
    text = bed.output("reads", shell("cat /v/data-1", volumeMounts=[mount("v", "/v")]), volumes=[kind.volume("v", "words")])
    check(text == "other", text)
    bed.delete(kind.plural, "words")


@test()
def secret_of_another_namespace(bed):
    other = bed.another_namespace()
    KINDS["secret"].make(bed, "words", WORDS)
    bed.make("secrets", "words", namespace=other, stringData={"data-1": "another"})
    text = bed.output("reads", shell("cat /v/data-1", volumeMounts=[mount("v", "/v")]), volumes=[KINDS["secret"].volume("v", "words")])
    check(text == "value-1", text)


@test()
def closed_on_the_host(bed):
    """No user of the host but root gets at a secret's files, and they go with the pod."""
    import glob
    import os
    import stat
    bed.make("secrets", "words", stringData={"data-1": "closed-words"})
    pod = bed.pod("holds", idle(volumeMounts=[mount("v", "/v")]), volumes=[KINDS["secret"].volume("v", "words", defaultMode=0o444)])
    bed.ready("holds")
    top = os.path.join(bed.k2d.data, "volumes")
    found = [path for path in glob.glob(f"{top}/{pod['metadata']['uid']}/**/data-1", recursive=True)]
    check(found and stat.S_IMODE(os.stat(top).st_mode) & 0o077 == 0, found, oct(os.stat(top).st_mode))
    bed.delete("pods", "holds")
    bed.gone("holds", 20)
    check(not os.path.exists(f"{top}/{pod['metadata']['uid']}"), "its folder stays")


@test()
def wrapped_without_conflict(bed):
    bed.make("secrets", "words", stringData={"data-1": "secret"})
    bed.make("configmaps", "words", data={"data-1": "map"})
    mounts = [mount("s", "/etc/s", readOnly=True), mount("c", "/etc/c")]
    text = bed.output("reads", shell("cat /etc/s/data-1 /etc/c/data-1", volumeMounts=mounts), volumes=[KINDS["secret"].volume("s", "words"), KINDS["configmap"].volume("c", "words")])
    check(text == "secretmap", text)
    # The pod is gone and all it leaves is left to go.
    for name in ("secrets", "configmaps"):
        bed.delete(name, "words")


@test(slow=True)
def wrapped_without_race(bed):
    """Fifty volumes of a pod, and five such pods at once."""
    for number in range(50):
        bed.make("configmaps", f"words-{number}", data={"data-1": f"value-{number}"})
    volumes = [KINDS["configmap"].volume(f"v-{number}", f"words-{number}", items=[{"key": "data-1", "path": "data-1"}]) for number in range(50)]
    mounts = [mount(f"v-{number}", f"/etc/v-{number}") for number in range(50)]
    for number in range(5):
        bed.pod(f"holds-{number}", idle(volumeMounts=mounts), volumes=volumes)
    for number in range(5):
        bed.ready(f"holds-{number}", 90)
        words = bed.sh(f"holds-{number}", "for n in $(seq 0 49); do cat /etc/v-$n/data-1; echo; done").split()
        check(words == [f"value-{one}" for one in range(50)], words)
