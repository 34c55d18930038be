//! What is rendered, read into the types of the Kubernetes API and written again. They pass over a field that they do not know,
//! as a server does that nobody asks to be strict: here whatever does not come back is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use k8s_openapi::api::{apps, batch, core, networking, policy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::text;

/// Reads an object as one type, and gives it back as the type knows it.
type Read = fn(&Value) -> Result<Value, serde_json::Error>;

/// Every kind of the API itself that is rendered.
const TYPES: &[(&str, &str, Read)] = &[
    ("apps/v1", "Deployment", again::<apps::v1::Deployment>),
    ("apps/v1", "StatefulSet", again::<apps::v1::StatefulSet>),
    ("batch/v1", "CronJob", again::<batch::v1::CronJob>),
    ("batch/v1", "Job", again::<batch::v1::Job>),
    ("networking.k8s.io/v1", "NetworkPolicy", again::<networking::v1::NetworkPolicy>),
    ("policy/v1", "PodDisruptionBudget", again::<policy::v1::PodDisruptionBudget>),
    ("v1", "ConfigMap", again::<core::v1::ConfigMap>),
    ("v1", "PersistentVolumeClaim", again::<core::v1::PersistentVolumeClaim>),
    ("v1", "Pod", again::<core::v1::Pod>),
    ("v1", "Service", again::<core::v1::Service>),
    ("v1", "ServiceAccount", again::<core::v1::ServiceAccount>),
];

/// Kinds whose types are not the API's but the Prometheus operator's: `./test --stage chart` has their schemas.
const NOT_COVERED: [(&str, &str); 3] = [
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
];

fn again<T: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(object.clone())?)
}

/// What is wrong with an object, by its type.
fn complaints(object: &Value) -> Vec<String> {
    let named = |name: &str| object[name].as_str().unwrap_or_default();
    let (api, kind) = (named("apiVersion"), named("kind"));
    if NOT_COVERED.contains(&(api, kind)) {
        return vec![];
    }
    let Some((.., read)) = TYPES.iter().find(|(of, name, _)| (*of, *name) == (api, kind)) else {
        return vec![format!("{kind} of {api} has no type here")];
    };
    match read(object) {
        Ok(known) => {
            let mut lost = vec![];
            compare(kind, object, Some(&known), &mut lost);
            lost
        }
        Err(error) => vec![format!("{kind}: {error}")],
    }
}

/// Names every part of `written` that `known` has not, or has otherwise. A null is what nobody wrote.
fn compare(place: &str, written: &Value, known: Option<&Value>, lost: &mut Vec<String>) {
    match (written, known) {
        (Value::Null, _) => {}
        (Value::Object(parts), Some(Value::Object(known))) => {
            parts.iter().for_each(|(name, part)| compare(&format!("{place}.{name}"), part, known.get(name), lost));
        }
        (Value::Array(parts), Some(Value::Array(known))) if parts.len() == known.len() => {
            let parts = parts.iter().zip(known).enumerate();
            parts.for_each(|(n, (part, known))| compare(&format!("{place}[{n}]"), part, Some(known), lost));
        }
        (_, Some(known)) if written == known => {}
        (_, Some(known)) => lost.push(format!("{place} is written as {written} and read as {known}")),
        (_, None) => lost.push(format!("{place} is no field that its type knows")),
    }
}

/// The documents of a file, as kubectl and Helm read them: a number with a leading 0 is octal to them.
fn objects(yaml: &str) -> Vec<Value> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_multiple_with_options(yaml, options).unwrap()
}

/// Files with objects, by name: the application of the example for kustomize and, where `./test` says that it rendered
/// something, all of that.
fn manifests() -> (BTreeMap<String, String>, bool) {
    let example = "examples/kubernetes-kustomize/application.yaml";
    let mut found = BTreeMap::from([(example.to_owned(), text(example))]);
    let Some(folder) = std::env::var_os("FORGETD_TEST_MANIFESTS") else { return (found, false) };
    for entry in fs::read_dir(Path::new(&folder)).unwrap() {
        let entry = entry.unwrap();
        found.insert(entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
    }
    (found, true)
}

#[test]
fn every_object_comes_back_from_its_type_as_it_was_written() {
    let (manifests, rendered) = manifests();
    let (mut kinds, mut count, mut wrong) = (BTreeSet::new(), 0, vec![]);
    for (name, yaml) in &manifests {
        let objects = objects(yaml);
        assert!(!objects.is_empty(), "{name} is empty");
        for object in &objects {
            let called = &object["metadata"]["name"];
            wrong.extend(complaints(object).iter().map(|complaint| format!("{name}: {called}: {complaint}")));
            kinds.insert((object["apiVersion"].to_string(), object["kind"].to_string()));
        }
        count += objects.len();
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    if rendered {
        let quoted = |(api, kind): (&str, &str)| (json!(api).to_string(), json!(kind).to_string());
        let types = TYPES.iter().map(|(api, kind, _)| (*api, *kind)).chain(NOT_COVERED);
        assert_eq!(kinds, types.map(quoted).collect(), "what is rendered, and the list of types here");
        let others = NOT_COVERED.map(|(_, kind)| kind).join(", ");
        println!(
            "note: {count} objects in {} renderings are of Kubernetes' own types, nothing lost; not covered: {others}",
            manifests.len()
        );
    }
}

#[test]
fn what_a_type_does_not_know_is_named() {
    let pod = |change: fn(&mut Value)| {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "annotations": null },
            "spec": {
                "containers": [{ "name": "a", "resources": { "limits": { "memory": "1Gi" } }, "ports": [] }],
                "volumes": [{ "name": "v", "emptyDir": {} }],
            },
        });
        change(&mut pod);
        complaints(&pod)
    };
    assert_eq!(pod(|_| {}), [""; 0]);
    let container = "Pod.spec.containers[0]";
    let unknown = |place: &str| format!("{place} is no field that its type knows");
    assert_eq!(
        pod(|pod| pod["spec"]["containers"][0]["startupProb"] = json!({})),
        [unknown(&format!("{container}.startupProb"))]
    );
    assert_eq!(
        pod(|pod| pod["spec"]["volumes"][0]["secret"] = json!({ "defaultmode": 288 })),
        [unknown("Pod.spec.volumes[0].secret.defaultmode")]
    );
    assert_eq!(pod(|pod| pod["specs"] = json!(1)), [unknown("Pod.specs")]);
    assert_eq!(pod(|pod| pod["kind"] = json!("Pot")), ["Pot of v1 has no type here"]);
    assert_eq!(
        pod(|pod| pod["apiVersion"] = json!("monitoring.coreos.com/v1")),
        ["Pod of monitoring.coreos.com/v1 has no type here"]
    );
    let refused = pod(|pod| pod["spec"]["containers"][0]["ports"] = json!([{ "containerPort": "http" }]));
    assert!(refused.len() == 1 && refused[0].contains("expected i32"), "{refused:?}");
}

/// Helm and kubectl read YAML 1.1.
#[test]
fn permissions_are_read_as_octal() {
    assert_eq!(objects("a: 0444\n---\n# nothing\n---\nb: 1\n"), [json!({ "a": 292 }), json!({ "b": 1 })]);
}
