//! What kube-rs' own tests against a cluster try, without those that need a running pod. The cluster is that of
//! `KUBECONFIG`, the namespace `kube-rs` must be there.
//!
//! `kube-tests NAME` tries one; it ends with 1 and a reason where k2d answers otherwise than a cluster does.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, PropagationPolicy, WatchEvent, WatchParams};
use kube::core::{ApiResource, GroupVersionKind, PartialObjectMeta};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

const NAMESPACE: &str = "kube-rs";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let name = std::env::args().nth(1).context("which test?")?;
    let client = Client::try_default().await?;
    let tried = async {
        match name.as_str() {
            "discovery" => discovery(client).await,
            "typed" => typed(client).await,
            "dynamic" => dynamic(client).await,
            "patches" => patches(client).await,
            "apply" => apply(client).await,
            "metadata" => metadata(client).await,
            "subresources" => subresources(client).await,
            "pages" => pages(client).await,
            "watch" => watch(client).await,
            "reflector" => reflect(client).await,
            "errors" => errors(client).await,
            _ => bail!("no such test: {name}"),
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tried).await?
}

fn map(name: &str, set: &str) -> ConfigMap {
    let value = json!({"metadata": {"name": name, "labels": {"set": set}}, "data": {"k": "v"}});
    serde_json::from_value(value).unwrap_or_default()
}

async fn discovery(client: Client) -> Result<()> {
    let apart = Discovery::new(client.clone()).run().await?;
    let together = Discovery::new(client.clone()).run_aggregated().await?;
    for found in [&apart, &together] {
        let (resource, offers) = found.resolve_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment")).context("no deployments")?;
        ensure!(resource.plural == "deployments" && offers.scope == Scope::Namespaced && offers.supports_operation(verbs::PATCH));
        ensure!(offers.subresources.iter().any(|(one, _)| one.plural.ends_with("scale")), "{:?}", offers.subresources);
        let (_, offers) = found.resolve_gvk(&GroupVersionKind::gvk("", "v1", "Namespace")).context("no namespaces")?;
        ensure!(offers.scope == Scope::Cluster);
    }
    let count = |found: &Discovery| found.groups().map(|group| group.recommended_resources().len()).sum::<usize>();
    ensure!(count(&apart) == count(&together), "{} and {}", count(&apart), count(&together));
    // Whatever can be listed is listed.
    for group in together.groups() {
        for (resource, offers) in group.recommended_resources() {
            if offers.supports_operation(verbs::LIST) {
                let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
                api.list(&ListParams::default()).await.with_context(|| resource.kind.clone())?;
            }
        }
    }
    ensure!(client.apiserver_version().await?.minor.starts_with("37"));
    Ok(())
}

async fn typed(client: Client) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "blog"}, "spec": {"containers": [{"name": "blog", "image": "clux/blog:0.1.0"}]}}))?;
    let made = pods.create(&PostParams::default(), &pod).await?;
    ensure!(made.name_any() == "blog" && made.uid().is_some() && made.resource_version().is_some());
    let read = pods.get("blog").await?;
    ensure!(read.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) == Some("Always"));
    let change = json!({"spec": {"activeDeadlineSeconds": 5}});
    let patched = pods.patch("blog", &PatchParams::default(), &Patch::Strategic(&change)).await?;
    ensure!(patched.spec.as_ref().and_then(|spec| spec.active_deadline_seconds) == Some(5));
    ensure!(pods.list(&ListParams::default().fields("metadata.name=blog")).await?.items.len() == 1);
    let left = pods.delete("blog", &DeleteParams::default()).await?;
    ensure!(left.left().is_some_and(|pod| pod.name_any() == "blog") || pods.get_opt("blog").await?.is_none());
    let secrets: Api<Secret> = Api::namespaced(client, NAMESPACE);
    let mut secret = Secret { string_data: Some([("a".to_owned(), "b".to_owned())].into()), ..Secret::default() };
    secret.metadata.generate_name = Some("gen-".into());
    let secret = secrets.create(&PostParams::default(), &secret).await?;
    ensure!(secret.name_any().starts_with("gen-") && secret.data.as_ref().and_then(|data| data.get("a")).is_some_and(|value| value.0 == b"b"));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let maps: Api<ConfigMap> = Api::namespaced(secrets.into_client(), NAMESPACE);
    maps.create(&dry, &map("never", "dry")).await?;
    ensure!(maps.get_opt("never").await?.is_none());
    Ok(())
}

async fn dynamic(client: Client) -> Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
    let api: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
    let object = DynamicObject::new("dyn", &resource).data(json!({"data": {"a": "b"}}));
    let made = api.create(&PostParams::default(), &object).await?;
    ensure!(made.data["data"]["a"] == "b" && made.types.as_ref().is_some_and(|types| types.kind == "ConfigMap"));
    let mut newer = made.clone();
    newer.data["data"]["a"] = json!("c");
    let replaced = api.replace("dyn", &PostParams::default(), &newer).await?;
    ensure!(replaced.data["data"]["a"] == "c" && replaced.resource_version() != made.resource_version());
    let stale = api.replace("dyn", &PostParams::default(), &made).await;
    ensure!(matches!(&stale, Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "Conflict"), "{stale:?}");
    let mut entry = api.entry("dyn").await?.or_insert(|| object.clone());
    entry.get_mut().annotations_mut().insert("by".into(), "entry".into());
    entry.commit(&PostParams::default()).await?;
    ensure!(api.get("dyn").await?.annotations().get("by").is_some_and(|by| by == "entry"));
    Ok(())
}

async fn patches(client: Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    maps.create(&PostParams::default(), &map("patched", "patches")).await?;
    let params = PatchParams::default();
    let merged = maps.patch("patched", &params, &Patch::Merge(json!({"data": {"k": null, "m": "1"}}))).await?;
    ensure!(merged.data.as_ref().is_some_and(|data| data.len() == 1 && data["m"] == "1"), "{merged:?}");
    let meta = maps.patch_metadata("patched", &params, &Patch::Merge(json!({"metadata": {"annotations": {"x": "y"}}}))).await?;
    ensure!(meta.annotations().get("x").is_some_and(|value| value == "y"));
    let strict = PatchParams { field_validation: Some(kube::api::ValidationDirective::Strict), ..params };
    let refused = maps.patch("patched", &strict, &Patch::Merge(json!({"date": {"a": "b"}}))).await;
    ensure!(matches!(&refused, Err(kube::Error::Api(status)) if status.message.contains("unknown field \"date\"")), "{refused:?}");
    Ok(())
}

async fn apply(client: Client) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let body = |image: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "applied"}, "spec": {
            "selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}})
    };
    let first = deployments.patch("applied", &PatchParams::apply("one"), &Patch::Apply(body("i:1"))).await?;
    ensure!(first.managed_fields().iter().any(|entry| entry.manager.as_deref() == Some("one")));
    let second = deployments.patch("applied", &PatchParams::apply("two"), &Patch::Apply(body("i:2"))).await;
    ensure!(matches!(&second, Err(kube::Error::Api(status)) if status.code == 409), "{second:?}");
    let forced = deployments.patch("applied", &PatchParams::apply("two").force(), &Patch::Apply(body("i:2"))).await?;
    ensure!(forced.metadata.generation == Some(2), "{:?}", forced.metadata.generation);
    let same = deployments.patch("applied", &PatchParams::apply("two").force(), &Patch::Apply(body("i:2"))).await?;
    ensure!(same.resource_version() == forced.resource_version() || same.metadata.generation == Some(2));
    let namespaces: Api<Namespace> = Api::all(client);
    let labelled = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"tried": "yes"}}});
    ensure!(namespaces.patch(NAMESPACE, &PatchParams::apply("one"), &Patch::Apply(labelled)).await?.labels().contains_key("tried"));
    Ok(())
}

async fn metadata(client: Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    maps.create(&PostParams::default(), &map("meta", "metadata")).await?;
    let one: PartialObjectMeta<ConfigMap> = maps.get_metadata("meta").await?;
    ensure!(one.labels().get("set").is_some_and(|set| set == "metadata") && one.types.as_ref().is_some_and(|types| types.kind == "PartialObjectMetadata"));
    let listed = maps.list_metadata(&ListParams::default().labels("set=metadata")).await?;
    ensure!(listed.items.len() == 1 && listed.types.kind == "PartialObjectMetadataList", "{:?}", listed.types);
    let whole = serde_json::to_value(&listed.items[0])?;
    ensure!(whole.get("data").is_none(), "{whole}");
    Ok(())
}

async fn subresources(client: Client) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let body = json!({"metadata": {"name": "scaled"}, "spec": {"replicas": 1, "paused": true, "selector": {"matchLabels": {"app": "s"}},
        "template": {"metadata": {"labels": {"app": "s"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    deployments.create(&PostParams::default(), &serde_json::from_value(body)?).await?;
    let scaled = deployments.patch_scale("scaled", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 3}}))).await?;
    ensure!(scaled.spec.and_then(|spec| spec.replicas) == Some(3));
    ensure!(deployments.get_scale("scaled").await?.status.is_some());
    let ready = json!({"status": {"observedGeneration": 1, "readyReplicas": 0}});
    deployments.patch_status("scaled", &PatchParams::default(), &Patch::Merge(ready)).await?;
    ensure!(deployments.get_status("scaled").await?.spec.replicas == Some(3));
    let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "evicted"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}))?;
    pods.create(&PostParams::default(), &pod).await?;
    pods.evict("evicted", &Default::default()).await?;
    ensure!(pods.get_opt("evicted").await?.is_none());
    Ok(())
}

async fn pages(client: Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    for number in 0..7 {
        maps.create(&PostParams::default(), &map(&format!("page-{number}"), "pages")).await?;
    }
    let mut params = ListParams::default().labels("set=pages").limit(3);
    let mut names = Vec::new();
    loop {
        let part = maps.list(&params).await?;
        let token = part.metadata.continue_.clone().unwrap_or_default();
        names.extend(part.into_iter().map(|one| one.name_any()));
        if token.is_empty() {
            break;
        }
        params = params.continue_token(&token);
    }
    ensure!(names == (0..7).map(|number| format!("page-{number}")).collect::<Vec<_>>(), "{names:?}");
    let gone = maps.delete_collection(&DeleteParams::default(), &ListParams::default().labels("set=pages")).await?;
    ensure!(gone.left().is_some_and(|list| list.items.len() == 7));
    Ok(())
}

async fn watch(client: Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let version = maps.list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    let mut stream = pin!(maps.watch(&WatchParams::default().labels("set=watch").timeout(10), &version).await?);
    maps.create(&PostParams::default(), &map("seen", "watch")).await?;
    maps.patch("seen", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "2"}}))).await?;
    maps.delete("seen", &DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() }).await?;
    let mut seen = Vec::new();
    while let Some(event) = stream.try_next().await? {
        match event {
            WatchEvent::Added(one) => seen.push(("added", one.name_any())),
            WatchEvent::Modified(one) => seen.push(("modified", one.name_any())),
            WatchEvent::Deleted(one) => {
                seen.push(("deleted", one.name_any()));
                break;
            }
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(error) => bail!("{error:?}"),
        }
    }
    ensure!(seen == ["added", "modified", "deleted"].map(|what| (what, "seen".to_owned())), "{seen:?}");
    Ok(())
}

/// A reflector fed by list and watch, and one by a watch with initial events, hold the same.
async fn reflect(client: Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    maps.create(&PostParams::default(), &map("before", "reflector")).await?;
    for config in [watcher::Config::default().page_size(1), watcher::Config::default().streaming_lists()] {
        let (store, writer) = reflector::store();
        let stream = watcher(maps.clone(), config.labels("set=reflector")).default_backoff();
        let mut stream = pin!(reflector(writer, stream).touched_objects());
        let first = stream.next().await.context("the stream ended")??;
        ensure!(first.name_any() == "before");
        maps.create(&PostParams::default(), &map("after", "reflector")).await?;
        let second = stream.next().await.context("the stream ended")??;
        ensure!(second.name_any() == "after");
        ensure!(store.state().len() == 2);
        maps.delete("after", &DeleteParams::default()).await?;
        let third = stream.next().await.context("the stream ended")??;
        ensure!(third.name_any() == "after" && store.state().len() == 1);
    }
    Ok(())
}

async fn errors(client: Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let missing = maps.get("none").await;
    ensure!(matches!(&missing, Err(kube::Error::Api(status)) if status.is_not_found()), "{missing:?}");
    maps.create(&PostParams::default(), &map("twice", "errors")).await?;
    let twice = maps.create(&PostParams::default(), &map("twice", "errors")).await;
    ensure!(matches!(&twice, Err(kube::Error::Api(status)) if status.is_already_exists()), "{twice:?}");
    let wrong = maps.create(&PostParams::default(), &map("Not_A_Name", "errors")).await;
    ensure!(matches!(&wrong, Err(kube::Error::Api(status)) if status.is_invalid() && status.details.as_ref().is_some_and(|details| !details.causes.is_empty())), "{wrong:?}");
    let elsewhere: Api<ConfigMap> = Api::namespaced(client, "nowhere");
    let refused = elsewhere.create(&PostParams::default(), &map("a", "errors")).await;
    ensure!(matches!(&refused, Err(kube::Error::Api(status)) if status.message == "namespaces \"nowhere\" not found"), "{refused:?}");
    Ok(())
}
