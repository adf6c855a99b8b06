//! `/openapi.json` is what is served: every endpoint of the table and no other, and real answers
//! validate against what it says of them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::raw::{Heard, Raw, ask, get, request};
use crate::store::Store;

/// What is public, by role; `{}` as in the document.
const FRONTEND: [(&str, &str); 13] = [
    ("get", "/products/{name}"),
    ("get", "/products"),
    ("post", "/orders"),
    ("get", "/orders/{number}"),
    ("get", "/requests/{key}"),
    ("post", "/requests/{key}/resolve"),
    ("get", "/openapi.json"),
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("get", "/status"),
    ("get", "/metrics"),
    ("get", "/events"),
    ("put", "/faults"),
];

/// Requests, and what each is answered.
type Requests = [(&'static str, &'static str, &'static str, u16)];

const AT_FRONTEND: &Requests = &[
    ("post", "/orders", r#"{"name":"Tux","quantity":1}"#, 200),
    ("post", "/orders", r#"{"name":"Tux","quantity":0}"#, 400),
    ("post", "/orders", r#"{"name":"Tux","quantity":1000}"#, 400),
    ("post", "/orders", r#"{"name":"nothing","quantity":1}"#, 404),
    ("get", "/products/tux", "", 200),
    ("get", "/products/Rubik%27s%20Cube", "", 200),
    ("get", "/products/nothing", "", 404),
    ("get", "/products/%FF", "", 400),
    ("get", "/products", "", 200),
    ("get", "/products?after=Tux&limit=2", "", 200),
    ("get", "/products?limit=0", "", 400),
    ("get", "/products?after=nothing", "", 404),
    ("get", "/orders/0", "", 200),
    ("get", "/orders/7", "", 404),
    ("get", "/orders/x", "", 400),
    ("get", "/orders/0?consistency=leader", "", 200),
    ("get", "/orders/7?consistency=local", "", 404),
    ("get", "/products/tux?consistency=local", "", 200),
    ("get", "/products?consistency=never", "", 400),
    ("get", "/requests/unknown", "", 200),
    ("get", "/requests/a%20b", "", 400),
    ("post", "/requests/never/resolve", "", 200),
    ("get", "/requests/never", "", 200),
    ("get", "/openapi.json", "", 200),
    ("get", "/health/live", "", 200),
    ("get", "/health/ready", "", 200),
    ("get", "/status", "", 200),
    ("get", "/metrics", "", 200),
    ("get", "/events", "", 200),
    ("put", "/faults", "{}", 401),
];

const AT_LEADER: &Requests = &[
    ("post", "/orders", r#"{"name":"Tux","quantity":1}"#, 200),
    ("post", "/orders", r#"[{"name":"Tux","quantity":1},{"name":"nothing","quantity":1}]"#, 200),
    ("post", "/orders", "[]", 200),
    ("post", "/orders", "{", 400),
    ("get", "/orders", "", 200),
    ("get", "/orders?after=0&limit=1", "", 200),
    ("get", "/orders?limit=0", "", 400),
    ("get", "/orders/0", "", 200),
    ("get", "/orders/7", "", 404),
    ("get", "/requests/unknown", "", 200),
    ("post", "/requests/never/resolve", "", 200),
    ("get", "/openapi.json", "", 200),
    ("get", "/status", "", 200),
    ("get", "/health/live", "", 200),
    ("get", "/health/ready", "", 200),
    ("get", "/metrics", "", 200),
    ("get", "/events", "", 200),
    ("put", "/faults", "{}", 401),
];

const AT_FOLLOWER: &Requests = &[
    ("post", "/orders", r#"{"name":"Tux","quantity":1}"#, 421),
    ("get", "/requests/unknown", "", 421),
    ("get", "/orders/7", "", 421),
    ("get", "/orders?consistency=linearizable", "", 421),
    ("get", "/orders?consistency=local", "", 200),
    ("post", "/requests/other/resolve", "", 421),
    ("get", "/status", "", 200),
];

const AT_CATALOG: &Requests = &[
    ("get", "/products/tux", "", 200),
    ("get", "/products/nothing", "", 404),
    ("get", "/products?limit=3", "", 200),
    ("get", "/products?limit=x", "", 400),
    ("get", "/openapi.json", "", 200),
    ("get", "/status", "", 200),
    ("get", "/health/live", "", 200),
    ("get", "/health/ready", "", 200),
    ("get", "/metrics", "", 200),
    ("get", "/events", "", 200),
    ("put", "/faults", "{}", 401),
];

const AT_CATALOG_FOLLOWER: &Requests = &[
    ("get", "/products/tux", "", 421),
    ("get", "/products?limit=3", "", 421),
    ("get", "/status", "", 200),
    ("get", "/health/ready", "", 200),
];

/// A document, with what it says of itself.
struct Document(Value);

impl Document {
    fn of(url: &str) -> Document {
        let heard = get(url, "/openapi.json");
        heard.with(&[("content-type", "application/json")]);
        Document(heard.json())
    }

    /// Every method and path.
    fn operations(&self) -> BTreeSet<(String, String)> {
        let paths = self.0["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
        });
        operations.collect()
    }

    /// The path of the document that a real path is one of.
    fn template(&self, path: &str) -> &str {
        let path = path.split('?').next().unwrap();
        let fits = |template: &str| {
            let (wanted, parts): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            let same = |(want, part): (&&str, &&str)| want.starts_with('{') || want == part;
            wanted.len() == parts.len() && wanted.iter().zip(&parts).all(same)
        };
        let paths = self.0["paths"].as_object().unwrap();
        // A path without open segments goes before one with.
        let mut found: Vec<&str> =
            paths.keys().map(String::as_str).filter(|template| fits(template)).collect();
        found.sort_by_key(|template| template.contains('{'));
        found.first().unwrap_or_else(|| panic!("{path} is not in the document"))
    }

    /// Follows a reference.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(place) => self.0.pointer(place.strip_prefix('#').unwrap()).unwrap(),
            None => schema,
        }
    }

    /// Why a value is not what a schema describes. Knows what our documents use, and nothing else.
    fn violation(&self, schema: &Value, value: &Value) -> Option<String> {
        let schema = self.resolve(schema);
        let fields = schema.as_object().unwrap();
        for (keyword, wanted) in fields {
            let wrong = match keyword.as_str() {
                "type" => !is_type(wanted, value),
                "enum" => !wanted.as_array().unwrap().contains(value),
                "minimum" => value.as_f64() < wanted.as_f64(),
                "maximum" => value.as_f64() > wanted.as_f64(),
                "minLength" => length(value) < wanted.as_u64().unwrap(),
                "maxLength" => length(value) > wanted.as_u64().unwrap(),
                "required" => {
                    let mut names = wanted.as_array().unwrap().iter();
                    names.any(|name| value.get(name.as_str().unwrap()).is_none())
                }
                "additionalProperties" => {
                    assert_eq!(wanted, &Value::Bool(false));
                    let known = schema["properties"].as_object().unwrap();
                    value.as_object().is_some_and(|v| v.keys().any(|key| !known.contains_key(key)))
                }
                "properties" => {
                    let mut inner = wanted
                        .as_object()
                        .unwrap()
                        .iter()
                        .filter_map(|(key, schema)| self.violation(schema, value.get(key)?));
                    if let Some(violation) = inner.next() {
                        return Some(violation);
                    }
                    false
                }
                "items" => {
                    let items = value.as_array().into_iter().flatten();
                    let mut inner = items.filter_map(|item| self.violation(wanted, item));
                    if let Some(violation) = inner.next() {
                        return Some(violation);
                    }
                    false
                }
                "oneOf" => {
                    let choices = wanted.as_array().unwrap().iter();
                    choices.filter(|schema| self.violation(schema, value).is_none()).count() != 1
                }
                "description" | "pattern" => false,
                other => panic!("{other}: the validator of this test does not know it"),
            };
            if wrong {
                return Some(format!("{value} is not {keyword} {wanted}"));
            }
        }
        None
    }

    /// Expects an answer to be one that the document describes.
    #[track_caller]
    fn describes(&self, method: &str, path: &str, heard: &Heard) {
        let operation = &self.0["paths"][self.template(path)][method];
        let answer = &operation["responses"][heard.status.to_string()];
        assert!(answer.is_object(), "{method} {path}: {} is not described", heard.status);
        let kind = heard.header("content-type").split(';').next().unwrap();
        let content = &answer["content"][kind];
        assert!(content.is_object(), "{method} {path}: {kind} is not described: {heard:?}");
        if kind == "application/json" {
            let violation = self.violation(&content["schema"], &heard.json());
            assert_eq!(violation, None, "{method} {path}: {heard:?}");
        }
        // The orders of an array have their proof in the order log.
        let many = method == "post" && heard.body.starts_with("{\"data\":[");
        let headers = answer["headers"].as_object().unwrap().iter();
        for (name, header) in headers.filter(|(name, _)| !many || *name == "Toystore-Served-By") {
            let text = heard.header(&name.to_lowercase());
            assert!(!text.is_empty(), "{method} {path}: no {name}: {heard:?}");
            if header["schema"]["type"] == "integer" {
                assert!(text.parse::<u64>().is_ok(), "{name}: {text}");
            }
        }
    }

    /// Every example is what it is an example of.
    fn check_examples(&self) {
        for (method, path) in self.operations() {
            let operation = &self.0["paths"][&path][&method];
            let bodies = operation["responses"].as_object().unwrap().values();
            for body in bodies.chain([&operation["requestBody"]]) {
                let Some(content) = body["content"].as_object() else { continue };
                for content in content.values().filter(|content| !content["example"].is_null()) {
                    let violation = self.violation(&content["schema"], &content["example"]);
                    assert_eq!(violation, None, "{method} {path}");
                }
            }
        }
    }
}

fn is_type(wanted: &Value, value: &Value) -> bool {
    match wanted {
        Value::Array(any) => any.iter().any(|wanted| is_type(wanted, value)),
        wanted => match wanted.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("{other} is no type"),
        },
    }
}

fn length(value: &Value) -> u64 {
    value.as_str().map_or(0, |text| text.chars().count() as u64)
}

/// Asks all, and holds every answer against the document.
fn check(url: &str, requests: &Requests) -> Document {
    let document = Document::of(url);
    assert_eq!(document.0["openapi"], "3.1.0");
    document.check_examples();
    for (method, path, body, status) in requests {
        let heard = match *path {
            // It does not end by itself.
            "/events" => Raw::open(url).send(request("GET", path, &[], "")).hear().unwrap(),
            path => ask(url, &method.to_uppercase(), path, &[], body),
        };
        assert_eq!(heard.status, *status, "{method} {path} {body}: {heard:?}");
        document.describes(method, path, &heard);
    }
    document
}

/// Every operation of a document was asked for.
fn check_complete(document: &Document, requests: &Requests) {
    let asked: BTreeSet<(String, String)> = requests
        .iter()
        .map(|(method, path, ..)| (method.to_string(), document.template(path).to_string()))
        .collect();
    assert_eq!(document.operations(), asked);
}

#[test]
fn a_replica_of_the_catalog_that_follows_answers_as_described() {
    let store = Store::start_settled(&["--catalog-replicas", "3", "--orders", "1"]);
    let leader = store.catalog();
    check(&store.url(&leader), AT_CATALOG);
    let follower = store.names("catalog").into_iter().find(|name| *name != leader).unwrap();
    check(&store.url(&follower), AT_CATALOG_FOLLOWER);
}

#[test]
fn every_public_endpoint_is_described_and_answers_as_described() {
    let store = Store::start_settled(&[]);
    let frontend = check(&store.frontend(), AT_FRONTEND);
    check_complete(&frontend, AT_FRONTEND);
    let table = FRONTEND.iter().map(|(method, path)| (method.to_string(), path.to_string()));
    assert_eq!(frontend.operations(), table.collect());
    let leader = check(&store.url(&store.leader()), AT_LEADER);
    check_complete(&leader, AT_LEADER);
    check(&store.url(&store.follower()), AT_FOLLOWER);
    let catalog = check(&store.url("catalog"), AT_CATALOG);
    check_complete(&catalog, AT_CATALOG);

    // What needs more than a path and a body.
    let url = &store.frontend();
    let bearer = format!("Bearer {}", store.token());
    let put = |token: &str, body: &str, status: u16| {
        let heard = ask(url, "PUT", "/faults", &[("Authorization", token)], body);
        assert_eq!(heard.status, status, "{heard:?}");
        frontend.describes("put", "/faults", &heard);
    };
    put("Bearer wrong", "{}", 403);
    put(&bearer, r#"{"edges":[{"to":"nobody"}]}"#, 400);
    let body = &frontend.0["paths"]["/faults"]["put"]["requestBody"]["content"];
    put(&bearer, &body["application/json"]["example"].to_string(), 200);
    frontend.describes("get", "/status", &get(url, "/status"));
    put(&bearer, "{}", 200);
    let known = [("If-None-Match", "*")];
    let heard = ask(url, "GET", "/products/fox", &known, "");
    let unchanged = &frontend.0["paths"]["/products/{name}"]["get"]["responses"]["304"];
    heard.is(304, "");
    for name in unchanged["headers"].as_object().unwrap().keys() {
        assert!(!heard.header(&name.to_lowercase()).is_empty(), "{name}: {heard:?}");
    }
    let json = ("Content-Type", "application/json");
    let key = ("Idempotency-Key", "k");
    let order = |headers: &[(&str, &str)], body: &str, status: u16| {
        let heard = ask(url, "POST", "/orders", headers, body);
        assert_eq!(heard.status, status, "{heard:?}");
        frontend.describes("post", "/orders", &heard);
    };
    order(&[json, key], r#"{"name":"Fox","quantity":1}"#, 200);
    order(&[json, key], r#"{"name":"Fox","quantity":2}"#, 422);
    order(&[json, ("Idempotency-Key", "never")], r#"{"name":"Fox","quantity":1}"#, 409);
    order(&[("Content-Type", "text/xml")], "<toy/>", 415);
    order(&[json], &"x".repeat(20_000), 413);
    for key in ["k", "never", "other"] {
        let heard = get(url, &format!("/requests/{key}"));
        frontend.describes("get", "/requests/k", &heard);
    }
    let csv = [("Accept", "text/csv")];
    let heard = ask(&store.url("order-1"), "GET", "/orders", &csv, "");
    leader.describes("get", "/orders", &heard);
}
