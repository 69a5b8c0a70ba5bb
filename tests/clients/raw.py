"""A client on bare paths, in the manner of kr8s and of Lens and Headlamp: one connection, tables, metadata alone, watches by
hand, and everything found by discovery."""
import json

from bed import check, until

NAMESPACE = "raw"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
META = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METAS = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
BASE = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


def register(steps, k2d):
    def step(name):
        return steps(f"bare paths: {name}")

    def ask(method, path, body=None, accept="application/json", kind="application/json", status=200):
        connection = k2d.connect(20)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"Accept": accept, **({"Content-Type": kind} if body is not None else {})})
            answer = connection.getresponse()
            content = answer.read()
            check(answer.status == status, method, path, answer.status, content[:300])
            return json.loads(content)
        finally:
            connection.close()

    def watch(path, accept="application/json"):
        """The events of a watch, one at a time."""
        connection = k2d.connect(10)
        connection.request("GET", path, headers={"Accept": accept})
        stream = connection.getresponse()
        check(stream.status == 200, path, stream.status)
        try:
            for line in stream:
                yield json.loads(line)
        finally:
            connection.close()

    @step("discovery, by group and in one answer")
    def _():
        ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}, status=201)
        until(5, lambda: k2d.api("GET", f"{BASE}/kube-root-ca.crt")[0] == 200, "the root certificate")
        single = ask("GET", "/apis", accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")
        check(single["kind"] == "APIGroupDiscoveryList", single["kind"])
        together = {(group["metadata"]["name"], version["version"], one["resource"]) for group in single["items"]
                    for version in group["versions"] for one in version["resources"]}
        apart = set()
        for group in ask("GET", "/apis")["groups"]:
            for version in group["versions"]:
                listed = ask("GET", f"/apis/{version['groupVersion']}")
                check(listed["groupVersion"] == version["groupVersion"])
                apart |= {(group["name"], version["version"], one["name"]) for one in listed["resources"] if "/" not in one["name"]}
        check(together == apart, together ^ apart)
        core = ask("GET", "/api/v1")["resources"]
        # Every kind that says that it can be listed can be.
        for group, version, plural in sorted(apart):
            verbs = next(one["verbs"] for one in ask("GET", f"/apis/{group}/{version}")["resources"] if one["name"] == plural)
            if "list" in verbs:
                found = ask("GET", f"/apis/{group}/{version}/{plural}")
                check(found["kind"].endswith("List") and found["apiVersion"] == f"{group}/{version}" and found["metadata"]["resourceVersion"], found)
        for one in core:
            if "/" not in one["name"] and "list" in one["verbs"]:
                check(ask("GET", f"/api/v1/{one['name']}")["kind"] == one["kind"] + "List", one)

    @step("tables and metadata of one, of a list and in a watch")
    def _():
        for name in ("one", "two"):
            ask("POST", BASE, {"metadata": {"name": name, "labels": {"n": name}}, "data": {"k": "v"}}, status=201)
        table = ask("GET", BASE, accept=TABLE)
        check(table["kind"] == "Table" and [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"], table["columnDefinitions"])
        check([row["cells"][:2] for row in table["rows"]] == [["kube-root-ca.crt", 1], ["one", 1], ["two", 1]], table["rows"])
        check(all(row["object"]["kind"] == "PartialObjectMetadata" for row in table["rows"]))
        whole = ask("GET", f"{BASE}/one?includeObject=Object", accept=TABLE)["rows"]
        check(len(whole) == 1 and whole[0]["object"]["data"] == {"k": "v"}, whole)
        one = ask("GET", f"{BASE}/one", accept=META)
        check(one["kind"] == "PartialObjectMetadata" and "data" not in one and one["metadata"]["labels"] == {"n": "one"}, one)
        metas = ask("GET", f"{BASE}?labelSelector=n", accept=METAS)
        check(metas["kind"] == "PartialObjectMetadataList" and [item["metadata"]["name"] for item in metas["items"]] == ["one", "two"], metas)
        version = metas["metadata"]["resourceVersion"]
        ask("PATCH", f"{BASE}/one", {"metadata": {"labels": {"m": "x"}}}, kind="application/merge-patch+json")
        event = next(watch(f"{BASE}?watch=1&resourceVersion={version}&timeoutSeconds=5", META))
        check(event["type"] == "MODIFIED" and event["object"]["kind"] == "PartialObjectMetadata" and event["object"]["metadata"]["labels"]["m"] == "x", event)
        event = next(watch(f"{BASE}?watch=1&resourceVersion={version}&timeoutSeconds=5", TABLE))
        check(event["object"]["kind"] == "Table" and event["object"]["rows"][0]["cells"][:2] == ["one", 1], event)

    @step("watches: initial events, bookmarks, a version of long ago and one of the future")
    def _():
        events, stream = [], watch(f"{BASE}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=5")
        for event in stream:
            events.append(event)
            if event["type"] == "BOOKMARK":
                break
        check([event["object"]["metadata"].get("name") for event in events[:-1]] == ["kube-root-ca.crt", "one", "two"] and {event["type"] for event in events[:-1]} == {"ADDED"}, events)
        last = events[-1]["object"]
        check(last["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"} and last["kind"] == "ConfigMap", last)
        ask("DELETE", f"{BASE}/two")
        gone = next(stream)
        check(gone["type"] == "DELETED" and int(gone["object"]["metadata"]["resourceVersion"]) > int(last["metadata"]["resourceVersion"]), gone)
        stream.close()
        old = list(watch(f"{BASE}?watch=1&resourceVersion=1&timeoutSeconds=5"))
        check(old[0]["type"] == "ERROR" and old[0]["object"]["code"] == 410 and old[0]["object"]["reason"] == "Expired" and len(old) == 1, old)
        check(list(watch(f"{BASE}?watch=1&resourceVersion={gone['object']['metadata']['resourceVersion']}&timeoutSeconds=1")) == [])

    @step("the document of the API that loaders read")
    def _():
        two = ask("GET", "/openapi/v2")
        check("io.k8s.api.apps.v1.Deployment" in two["definitions"] and "/apis/apps/v1/namespaces/{namespace}/deployments/{name}" in two["paths"])
        index = ask("GET", "/openapi/v3")["paths"]
        check({"api/v1", "apis/apps/v1"} <= set(index), sorted(index))
        for place, one in index.items():
            document = ask("GET", one["serverRelativeURL"])
            check(document["openapi"].startswith("3."), place)
        missing = [name for name in references(two) if name not in two["definitions"]]
        check(not missing, missing)
        ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}")


def references(document):
    """The names of the definitions that a document refers to."""
    found, left = set(), [document]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if isinstance(one.get("$ref"), str):
                found.add(one["$ref"].rsplit("/", 1)[1])
            left += one.values()
        elif isinstance(one, list):
            left += one
    return found
