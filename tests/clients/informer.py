"""An informer of client-go (tests/clients/informer) on a k2d of its own that is killed and started again: it lists once, by a
watch with initial events and in protobuf, and its handlers are told of each change once, whatever happens to k2d."""
import json
import os
import signal
import subprocess
import threading

from bed import check, until

NAMESPACE = "default"
MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


class Informer:
    """The program, and what it told so far."""

    def __init__(self, folder, kubeconfig):
        self.lines = []
        self.process = subprocess.Popen([os.path.join(folder, "informer"), kubeconfig, NAMESPACE], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        # Its input ends when this script does, and it with that.
        self.reader = threading.Thread(target=lambda: self.lines.extend(json.loads(line) for line in self.process.stdout), daemon=True)
        self.reader.start()

    def told(self):
        """The changes of our own objects, in their order."""
        return [(line["event"], line["name"], line.get("n")) for line in self.lines if "event" in line and line["name"].startswith("i-")]

    def requests(self):
        """Each request that was answered: whether with initial events, from which version, and the status."""
        return [("initial" if line["request"].get("sendInitialEvents") == ["true"] else "list" if "watch" not in line["request"] else "watch",
                 line["request"].get("resourceVersion", [""])[0], line["status"]) for line in self.lines if "status" in line]

    def end(self):
        """Ends it, and gives the names in its store."""
        self.process.stdin.close()
        self.process.wait(10)
        self.reader.join()
        return next(line["store"] for line in self.lines if "store" in line)


def register(steps, k2d, program):
    kept = {}

    def write(method, name, n=None, status=(200, 201)):
        body = None if n is None else {"metadata": {"name": name}, "data": {"n": n}}
        path = MAPS if method == "POST" else f"{MAPS}/{name}"
        answer = k2d.api(method, path, body, kind="application/merge-patch+json" if method == "PATCH" else "application/json")
        check(answer[0] in status, method, name, answer)

    def expect(*events, ordered=True):
        """The handlers are told of these, and of nothing else since the last time."""
        before = len(kept.get("events", []))
        kept["events"] = kept.get("events", []) + list(events)
        informer = kept["informer"]
        until(20, lambda: len(informer.told()) >= len(kept["events"]), f"{len(kept['events'])} events; there are {informer.told()}")
        if not ordered:
            kept["events"][before:] = sorted(kept["events"][before:], key=informer.told().index)
        told = informer.told()
        check(told == kept["events"], told[before:], "instead of", kept["events"][before:])

    def again(how):
        """k2d ends and starts; gives the requests that the informer makes from then until it watches again."""
        before = len(kept["informer"].requests())
        k2d.stop(how)
        k2d.start()
        found = until(40, lambda: [one for one in kept["informer"].requests()[before:] if one[2] == 200], "the informer watches again")
        check(found, found)
        return kept["informer"].requests()[before:]

    @steps("client-go informer: lists once, in a watch with initial events and in protobuf")
    def _():
        kept["program"] = program()
        for n in range(3):
            write("POST", f"i-{n}", "0")
        kept["informer"] = Informer(kept["program"], k2d.kubeconfig)
        until(20, lambda: any("synced" in line for line in kept["informer"].lines), "the informer has synced")
        expect(*(("add", f"i-{n}", "0") for n in range(3)), ordered=False)
        write("POST", "i-3", "0")
        write("PATCH", "i-3", "1")
        write("DELETE", "i-0")
        expect(("add", "i-3", "0"), ("update", "i-3", "1"), ("delete", "i-0", "0"))
        check([one[0] for one in kept["informer"].requests()] == ["initial"], kept["informer"].requests())
        first = next(line for line in kept["informer"].lines if "status" in line)
        check(first["type"].startswith("application/vnd.kubernetes.protobuf"), first)

    @steps("client-go informer: k2d ends and starts, and the informer goes on where it was")
    def _():
        asked = again(signal.SIGTERM)
        # What is asked of a k2d that is ending is told to come again: no list.
        check([one[0] for one in asked if one[2] == 200] == ["watch"] and all(one[2] in (200, 429) for one in asked), asked)
        write("PATCH", "i-1", "after")
        expect(("update", "i-1", "after"))

    @steps("client-go informer: k2d is killed among changes, which are all told once")
    def _():
        for n in range(40):
            write("POST", f"i-many-{n}", "0")
        asked = again(signal.SIGKILL)
        # What was not yet sent is in no history any more: one further list, and no more than one.
        check(len([one for one in asked if one[0] != "watch"]) <= 1, asked)
        # Those that come from a list come in any order.
        expect(*(("add", f"i-many-{n}", "0") for n in range(40)), ordered=False)
        write("PATCH", "i-1", "watched again")
        expect(("update", "i-1", "watched again"))
        write("DELETE", "i-2")
        expect(("delete", "i-2", "0"))

    @steps("client-go informer: it is told what happened while it could not watch")
    def _():
        os.kill(kept["informer"].process.pid, signal.SIGSTOP)
        try:
            k2d.stop(signal.SIGKILL)
            k2d.start()
            write("DELETE", "i-3")
            write("PATCH", "i-1", "unseen")
            k2d.stop(signal.SIGKILL)
            k2d.start()
            before = len(kept["informer"].requests())
        finally:
            os.kill(kept["informer"].process.pid, signal.SIGCONT)
        until(40, lambda: len(kept["informer"].told()) >= len(kept["events"]) + 2, "both changes")
        new = kept["informer"].told()[len(kept["events"]):]
        check(sorted(new) in ([("delete", "i-3", "1"), ("update", "i-1", "unseen")], [("delete unseen", "i-3", "1"), ("update", "i-1", "unseen")]), new)
        lists = [one for one in kept["informer"].requests()[before:] if one[0] != "watch" and one[2] == 200]
        check(len(lists) <= 1, kept["informer"].requests()[before:])
        store = kept["informer"].end()
        have = sorted(f"{NAMESPACE}/{one['metadata']['name']}" for one in k2d.api("GET", MAPS)[1]["items"])
        check(sorted(store) == have, sorted(store), have)
        for name in have:
            if "/i-" in name:
                write("DELETE", name.split("/")[1])
