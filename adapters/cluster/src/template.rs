//! The containers of a workload's pod template, and what they may use: read for probes, and as values that an action sets.
//!
//! Init containers count, native sidecars among them: no two containers of a pod have one name.

use selfheal_contract::Failure;
use serde_json::{Map, Value, json};

use crate::name::quoted;
use crate::object::Object;
use crate::quantity::Quantity;

/// The lists of containers of a pod template.
pub const LISTS: [&str; 2] = ["containers", "initContainers"];

/// A container of a pod template.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// The list that it is in, one of [`LISTS`].
    pub list: &'static str,
    /// Its place in that list, from 0.
    pub position: usize,
    /// Its name.
    pub name: &'a str,
    /// All of it.
    pub json: &'a Value,
}

/// The containers of an object's pod template.
pub fn containers(object: &Object) -> impl Iterator<Item = Container<'_>> {
    LISTS.into_iter().flat_map(|list| {
        let all = object.items(&format!("/spec/template/spec/{list}")).iter().enumerate();
        all.filter_map(move |(position, json)| {
            Some(Container { list, position, name: json["name"].as_str()?, json })
        })
    })
}

/// The container of this name.
///
/// # Errors
/// `Refused` when there is none, with those that there are.
pub fn container<'a>(object: &'a Object, name: &str) -> Result<Container<'a>, Failure> {
    containers(object).find(|container| container.name == name).ok_or_else(|| {
        let names: Vec<&str> = containers(object).map(|container| container.name).collect();
        Failure::refused(format!(
            "{} has no container {}; it has {}",
            object.name(),
            quoted(name),
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        ))
    })
}

/// What is told of the containers' memory and cpu: by container and resource the limit and the request as they are
/// written, doubled, half more, and as a number.
pub fn limits(object: &Object) -> Map<String, Value> {
    let of = |container: Container<'_>| {
        let told = json!({ "memory": told(container.json, "memory"), "cpu": told(container.json, "cpu") });
        (container.name.to_owned(), told)
    };
    containers(object).map(of).collect()
}

fn told(container: &Value, resource: &str) -> Map<String, Value> {
    let mut found = Map::new();
    for (word, list) in [("limit", "limits"), ("request", "requests")] {
        let text = &container["resources"][list][resource];
        let quantity = text.as_str().and_then(|text| text.parse::<Quantity>().ok());
        let larger = |percent: u32| quantity.map(|quantity| quantity.percent(percent).to_string());
        found.insert(word.to_owned(), text.clone());
        found.insert(format!("{word}_doubled"), json!(larger(200)));
        found.insert(format!("{word}_half_more"), json!(larger(150)));
        found.insert(format!("{word}_units"), json!(quantity.map(Quantity::amount)));
    }
    found
}

/// A limit and, where given, a request to be, in Kubernetes' own spelling: `{"limit": .., "request": ..}`.
///
/// # Errors
/// `Refused` when one is no quantity or nothing, or the request is above the limit.
pub fn bounds(resource: &str, limit: &str, request: Option<&str>) -> Result<Value, Failure> {
    let limit = quantity(resource, "limit", limit)?;
    let mut bounds = Map::from_iter([("limit".to_owned(), json!(limit.to_string()))]);
    if let Some(text) = request {
        let request = quantity(resource, "request", text)?;
        if request.amount() > limit.amount() {
            return Err(Failure::refused(format!(
                "the {resource} request {request} is above the limit {limit}"
            )));
        }
        bounds.insert("request".to_owned(), json!(request.to_string()));
    }
    Ok(Value::Object(bounds))
}

fn quantity(resource: &str, what: &str, text: &str) -> Result<Quantity, Failure> {
    let of = |fault: &dyn std::fmt::Display| {
        Failure::refused(format!("the {resource} {what} {} cannot be set: {fault}", quoted(text)))
    };
    let quantity: Quantity = text.parse().map_err(|fault| of(&fault))?;
    if quantity.amount() == 0.0 { Err(of(&"expected more than nothing")) } else { Ok(quantity) }
}

/// What a container has of [`bounds`], null for what it has not; the request only where it is asked for.
pub fn bounds_of(container: Container<'_>, resource: &str, with_request: bool) -> Value {
    let value = |list: &str| {
        let text = &container.json["resources"][list][resource];
        let quantity = text.as_str().and_then(|text| text.parse::<Quantity>().ok());
        quantity.map_or_else(|| text.clone(), |quantity| json!(quantity.to_string()))
    };
    let mut bounds = Map::from_iter([("limit".to_owned(), value("limits"))]);
    if with_request {
        bounds.insert("request".to_owned(), value("requests"));
    }
    Value::Object(bounds)
}

/// The part of a container's `resources` that sets [`bounds`].
pub fn resources(resource: &str, bounds: &Value) -> Value {
    let mut resources = Map::from_iter([("limits".to_owned(), json!({ resource: bounds["limit"] }))]);
    if let Some(request) = bounds.get("request") {
        resources.insert("requests".to_owned(), json!({ resource: request }));
    }
    Value::Object(resources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Object {
        let json = json!({ "metadata": { "name": "web" }, "spec": { "template": { "spec": {
            "initContainers": [{ "name": "setup" }, { "name": "mesh", "resources": { "limits": { "memory": "64Mi" } } }],
            "containers": [{ "name": "app", "resources": { "limits": { "cpu": "0.5" }, "requests": { "cpu": "250m" } } }],
        } } } });
        Object { json, date: None }
    }

    #[test]
    fn init_containers_are_found_where_they_are() {
        let object = object();
        for (name, list, position) in [("app", LISTS[0], 0), ("setup", LISTS[1], 0), ("mesh", LISTS[1], 1)] {
            let found = container(&object, name).unwrap();
            assert_eq!((found.list, found.position), (list, position), "{name}");
        }
        let failure = container(&object, "x").unwrap_err();
        assert_eq!(failure.what, "web has no container \"x\"; it has app, setup, mesh");
        assert_eq!(limits(&object)["mesh"]["memory"]["limit_doubled"], "128Mi");
        assert_eq!(limits(&object)["app"]["memory"]["limit"], Value::Null);
    }

    #[test]
    fn bounds_are_compared_in_one_spelling() {
        let object = object();
        let app = container(&object, "app").unwrap();
        assert_eq!(bounds_of(app, "cpu", true), bounds("cpu", "500m", Some("0.25")).unwrap());
        assert_eq!(bounds_of(app, "memory", false), json!({ "limit": null }));
        let set = resources("cpu", &json!({ "limit": "1", "request": null }));
        assert_eq!(set, json!({ "limits": { "cpu": "1" }, "requests": { "cpu": null } }));
        for (limit, request, expected) in [
            ("lots", None, "expected a quantity"),
            ("0", None, "more than nothing"),
            ("1", Some("2"), "is above the limit"),
        ] {
            let failure = bounds("cpu", limit, request).unwrap_err();
            assert!(failure.what.contains(expected), "{failure}");
        }
    }
}
