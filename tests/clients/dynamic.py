"""The Python client as operators and tests use it: dynamic discovery, watches, patches in every type, apply."""
import sys
import threading

from bed import check, until

NAMESPACE = "python"


def register(steps, k2d, library):
    """`library` gives the folder that holds the package."""
    kept = {}

    def step(name):
        return steps(f"Python client: {name}")

    def config_map(name, **data):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}

    def refused(status, reason, call, **words):
        import json
        from kubernetes.client.exceptions import ApiException
        try:
            call(**words)
        except ApiException as error:
            check(error.status == status and json.loads(error.body)["reason"] == reason, error)
            return json.loads(error.body)
        raise AssertionError(f"no {reason}")

    @step("dynamic discovery")
    def _():
        sys.path.append(library())
        from kubernetes import client, config, dynamic
        api = config.new_client_from_config(k2d.kubeconfig)
        api.configuration.retries = False
        kept["api"], kept["dynamic"] = api, dynamic.DynamicClient(api)
        check(client.VersionApi(api).get_code().minor.startswith("37"))
        resources = kept["dynamic"].resources
        deployment = resources.get(api_version="apps/v1", kind="Deployment")
        check(deployment.namespaced and "patch" in deployment.verbs and set(deployment.subresources) >= {"status", "scale"}, deployment.to_dict())
        check(resources.get(short_names=["cm"], api_version="v1").kind == "ConfigMap")
        check(len({one.kind for one in resources.search() if not isinstance(one, list)}) > 40)
        client.CoreV1Api(api).create_namespace({"metadata": {"name": NAMESPACE}})
        until(5, lambda: client.CoreV1Api(api).read_namespaced_service_account("default", NAMESPACE) is not None, "the default service account")

    @step("create, get, list in parts, replace, delete")
    def _():
        maps = kept["dynamic"].resources.get(api_version="v1", kind="ConfigMap")
        made = [maps.create(config_map(f"part-{n}", n=str(n)), namespace=NAMESPACE) for n in range(5)]
        check(made[0].metadata.uid and made[0].data.n == "0")
        first = maps.get(namespace=NAMESPACE, limit=2)
        check(len(first["items"]) == 2 and first.metadata["continue"] and first.metadata.remainingItemCount == 4, first.metadata)
        names, token = [one.metadata.name for one in first["items"]], first.metadata["continue"]
        while token:
            part = maps.get(namespace=NAMESPACE, limit=2, _continue=token)
            names += [one.metadata.name for one in part["items"]]
            token = part.metadata["continue"]
        check(names == ["kube-root-ca.crt"] + [f"part-{n}" for n in range(5)], names)
        fresh = maps.get(name="part-0", namespace=NAMESPACE).to_dict()
        fresh["data"]["n"] = "zero"
        newer = maps.replace(fresh, namespace=NAMESPACE)
        check(int(newer.metadata.resourceVersion) > int(fresh["metadata"]["resourceVersion"]))
        refused(409, "Conflict", maps.replace, body=fresh, namespace=NAMESPACE)
        refused(409, "AlreadyExists", maps.create, body=config_map("part-0"), namespace=NAMESPACE)
        refused(404, "NotFound", maps.get, name="none", namespace=NAMESPACE)
        maps.delete(name="part-0", namespace=NAMESPACE)
        maps.delete(namespace=NAMESPACE, field_selector="metadata.name!=kube-root-ca.crt")
        until(5, lambda: [one.metadata.name for one in maps.get(namespace=NAMESPACE)["items"]] == ["kube-root-ca.crt"], "the collection is gone")

    @step("strategic merge, merge and JSON patches")
    def _():
        deployments = kept["dynamic"].resources.get(api_version="apps/v1", kind="Deployment")
        container = {"name": "web", "image": "nginx:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
        deployments.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}}}, namespace=NAMESPACE)

        def patch(body, kind):
            return deployments.patch(name="web", namespace=NAMESPACE, body=body, content_type=f"application/{kind}").spec
        change = {"containers": [{"name": "web", "env": [{"name": "B", "$patch": "delete"}, {"name": "C", "value": "3"}]}, {"name": "side", "image": "busybox"}]}
        found = patch({"spec": {"template": {"spec": change}}}, "strategic-merge-patch+json").template.spec.containers
        check([(one.name, one.image) for one in found] == [("side", "busybox"), ("web", "nginx:1")] or [one.name for one in found] == ["web", "side"], found)
        web = next(one for one in found if one.name == "web")
        check(sorted((one.name, one.value) for one in web.env) == [("A", "1"), ("C", "3")], web.env)
        check(patch({"spec": {"replicas": 3, "paused": True}}, "merge-patch+json").replicas == 3)
        check(patch({"spec": {"paused": None}}, "merge-patch+json").paused is None)
        body = [{"op": "test", "path": "/spec/replicas", "value": 3}, {"op": "replace", "path": "/spec/replicas", "value": 1}]
        check(patch(body, "json-patch+json").replicas == 1)
        refused(422, "Invalid", patch, body=body, kind="json-patch+json")
        scale = deployments.scale.patch(name="web", namespace=NAMESPACE, body={"spec": {"replicas": 2}}, content_type="application/merge-patch+json")
        check(scale.spec.replicas == 2 and scale.kind == "Scale")

    @step("server-side apply and its conflicts")
    def _():
        maps = kept["dynamic"].resources.get(api_version="v1", kind="ConfigMap")

        def apply(manager, force=False, **data):
            return maps.server_side_apply(body=config_map("applied", **data), namespace=NAMESPACE, field_manager=manager, force_conflicts=force)
        check(apply("one", a="1", b="2").data.to_dict() == {"a": "1", "b": "2"})
        said = refused(409, "Conflict", apply, manager="two", a="9")
        check(said["details"]["causes"][0] == {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}, said)
        apply("two", force=True, a="9")
        taken = apply("one", b="2")
        check(taken.data.to_dict() == {"a": "9", "b": "2"}, taken.data)
        check(apply("two").data.to_dict() == {"b": "2"})
        check(sorted((one.manager, one.operation) for one in taken.metadata.managedFields) == [("one", "Apply"), ("two", "Apply")], taken.metadata)

    @step("watches: from a list, from now, with a time limit and selectors")
    def _():
        from kubernetes import client, watch
        core = client.CoreV1Api(kept["api"])
        begin, seen, stopped = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version, [], threading.Event()

        def read():
            for event in watch.Watch().stream(core.list_namespaced_config_map, NAMESPACE, resource_version=begin, label_selector="seen=yes", timeout_seconds=20):
                seen.append((event["type"], event["object"].metadata.name, (event["object"].data or {}).get("n")))
                if event["type"] == "DELETED" and event["object"].metadata.name == "last":
                    break
            stopped.set()
        reader = threading.Thread(target=read)
        reader.start()
        core.create_namespaced_config_map(NAMESPACE, {**config_map("w", n="1"), "metadata": {"name": "w", "labels": {"seen": "yes"}}})
        core.patch_namespaced_config_map("w", NAMESPACE, {"data": {"n": "2"}})
        core.patch_namespaced_config_map("w", NAMESPACE, {"metadata": {"labels": {"seen": "no"}}})
        core.create_namespaced_config_map(NAMESPACE, {**config_map("last"), "metadata": {"name": "last", "labels": {"seen": "yes"}}})
        core.delete_namespaced_config_map("last", NAMESPACE)
        check(stopped.wait(15), seen)
        reader.join()
        check(seen == [("ADDED", "w", "1"), ("MODIFIED", "w", "2"), ("DELETED", "w", "2"), ("ADDED", "last", None), ("DELETED", "last", None)], seen)
        events = list(kept["dynamic"].resources.get(api_version="v1", kind="ConfigMap").watch(namespace=NAMESPACE, field_selector="metadata.name=w", timeout=1))
        check([(one["type"], one["object"].metadata.name) for one in events] == [("ADDED", "w")], events)

    @step("reviews, tokens, scale and eviction by typed calls")
    def _():
        from kubernetes import client
        core = client.CoreV1Api(kept["api"])
        token = core.create_namespaced_service_account_token("default", NAMESPACE, {"spec": {"expirationSeconds": 600}}).status.token
        review = client.AuthenticationV1Api(kept["api"]).create_token_review({"spec": {"token": token}})
        check(review.status.authenticated and review.status.user.username == f"system:serviceaccount:{NAMESPACE}:default", review.status)
        access = client.AuthorizationV1Api(kept["api"]).create_self_subject_access_review(
            {"spec": {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": NAMESPACE}}})
        check(access.status.allowed)
        core.create_namespaced_pod(NAMESPACE, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
        core.create_namespaced_pod_eviction("p", NAMESPACE, {"metadata": {"name": "p"}})
        until(5, lambda: not core.list_namespaced_pod(NAMESPACE, field_selector="metadata.name=p").items, "the evicted pod is gone")
        core.delete_namespace(NAMESPACE)
        until(15, lambda: NAMESPACE not in [one.metadata.name for one in core.list_namespace().items], "the namespace is gone")
