//! `/openapi.json`: the public endpoints of a role, for machines.
//!
//! Made from the same table that requests are looked up in, so that no endpoint is missing and none
//! is invented; what each takes and answers is said here, and `tests/it/openapi.rs` holds it
//! against a running store. Called by [`super::site`].

mod schemas;

use hyper::Method;
use serde_json::{Value, json};
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, InfoBuilder, OpenApiBuilder, Paths, RefOr, Required,
    ResponseBuilder, Schema,
};

use super::endpoint::{self, Endpoint, Role};
use schemas::{CLUSTER_TOKEN, named, number, text};

/// The whole document.
pub fn document(role: Role) -> String {
    let mut paths = Paths::new();
    for (method, path, endpoint) in endpoint::public(role) {
        let path = match argument(endpoint) {
            Some((name, ..)) => path.replace("{}", &format!("{{{name}}}")),
            None => path.to_string(),
        };
        paths.add_path_operation(path, vec![verb(method)], operation(role, endpoint));
    }
    let title = format!("toystore, {}", role.name());
    let about = "Every error is the error object, its code the status. HEAD is GET without a body; \
                 a slash at the end of a path is ignored.";
    let info = InfoBuilder::new()
        .title(title)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .build();
    let document =
        OpenApiBuilder::new().info(info).paths(paths).components(Some(schemas::all(role))).build();
    document.to_json().expect("the document is made of strings and numbers")
}

fn verb(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// What stands in the open segment of a path: name, meaning, schema.
fn argument(endpoint: Endpoint) -> Option<(&'static str, &'static str, Schema)> {
    match endpoint {
        Endpoint::Product => {
            Some(("name", "A toy, whatever its case, percent-encoded", schemas::toy_name()))
        }
        Endpoint::Order => Some(("number", "An order's number, from 0", schemas::order_number())),
        Endpoint::Fate | Endpoint::Resolve => {
            Some(("key", "The Idempotency-Key of the request", schemas::key()))
        }
        _ => None,
    }
}

/// One endpoint, as it is put together.
struct Described {
    operation: OperationBuilder,
}

fn operation(role: Role, endpoint: Endpoint) -> Operation {
    let described = describe(role, endpoint);
    let mut operation = described.operation;
    if let Some((name, meaning, schema)) = argument(endpoint) {
        operation = operation.parameter(parameter(ParameterIn::Path, name, meaning, schema));
    }
    for (name, meaning) in [
        ("Session-ID", "The client's session; given back"),
        ("traceparent", "A trace (W3C) to go on with; given back"),
    ] {
        operation = operation.parameter(parameter(ParameterIn::Header, name, meaning, text()));
    }
    let other = answer("Anything else", "application/json", named("Error"), None);
    operation.response("default", other).build()
}

fn describe(role: Role, endpoint: Endpoint) -> Described {
    match endpoint {
        Endpoint::Product => product(role),
        Endpoint::Products => products(role),
        Endpoint::PlaceOrder => place_order(role),
        Endpoint::Order => order(role),
        Endpoint::OrderLog => order_log(),
        Endpoint::Fate => fate("readRequest", "What became of a request"),
        Endpoint::Resolve => fate("resolveRequest", "Make the fate of a request final").error(
            422,
            "The key was used for another order",
            "this Idempotency-Key was used",
        ),
        Endpoint::Live => Described::new("live", "Is the process there?").json(
            200,
            "It is",
            "Live",
            json!({"data": {"live": true}}),
        ),
        Endpoint::Ready => Described::new("ready", "Can it serve?")
            .json(200, "It can", "Ready", json!({"data": {"ready": true}}))
            .error(503, "Not now, or not any more", "not ready: no leader"),
        Endpoint::Status => Described::new("status", "The node's whole public state")
            .answered(200, answer("The state", "application/json", named("Status"), None)),
        Endpoint::Metrics => Described::new("metrics", "The same numbers for Prometheus")
            .answered(200, answer("Text format 0.0.4", "text/plain", text().into(), None)),
        Endpoint::Events => Described::new("events", "The same state, now and each half second")
            .answered(200, answer("Events", "text/event-stream", schemas::event().into(), None))
            .error(503, "Too many listen already", "32 listen to /events already"),
        Endpoint::Faults => faults(),
        _ => Described::new("openapi", "This document").answered(
            200,
            answer("OpenAPI 3.1", "application/json", schemas::anything().into(), None),
        ),
    }
}

fn product(role: Role) -> Described {
    let none_match = parameter(
        ParameterIn::Header,
        "If-None-Match",
        "An ETag that is known: the answer is 304 if it is still the one",
        text(),
    );
    // What a frontend says of its lease (`X-Frontend`) is between it and the catalog.
    let described = Described::new("readProduct", "One toy").with(none_match);
    let example = schemas::product_example(role);
    let [level, applied, from] = READ_FROM;
    let headers = [X_CACHE, ETAG, CACHE_CONTROL, TOY_VERSION, level, applied, from];
    let unchanged = headers.iter().fold(
        ResponseBuilder::new().description("The toy is as the client knows it"),
        |response, header| response.header(header.0, header.build()),
    );
    let described = described
        .with(level_parameter(LINEARIZABLE))
        .json_with(200, "The toy", "ProductAnswer", example, &headers)
        .answered(304, unchanged)
        .error(400, "The name or the level cannot be one", "a toy's name has 1 to 64 characters")
        .error(404, "No such toy; toys are fixed, so it is so at every level", "product not found")
        .unavailable();
    described.of_replica(role)
}

fn products(role: Role) -> Described {
    Described::new("listProducts", "Toys, in catalogue order")
        .with(parameter(ParameterIn::Query, "after", "Begin after this toy", schemas::toy_name()))
        .with(parameter(ParameterIn::Query, "limit", "At most so many; 100", number(1)))
        .with(level_parameter(LINEARIZABLE))
        .json_with(200, "A page", "ProductsAnswer", schemas::products_example(role), &READ_FROM)
        .error(400, "A parameter is wrong", "limit=0 is no limit")
        .error(404, "There is no toy to begin after", "product not found")
        .unavailable()
        .of_replica(role)
}

fn order(role: Role) -> Described {
    let [level, applied, from] = READ_FROM;
    let (example, headers) = (schemas::order_example(), [LOG_INDEX, level, applied, from]);
    let described = Described::new("readOrder", "An order by its number")
        .with(level_parameter(LINEARIZABLE))
        .json_with(200, "The order", "OrderAnswer", example, &headers)
        .error(400, "The number or the level is none", "\"x\" is no order number")
        .error(404, "There is none; below `linearizable`, none there yet", "order not found")
        .unavailable();
    described.of_replica(role)
}

fn place_order(role: Role) -> Described {
    let key = "Makes a retry harmless: the same key, the same answer";
    let order = schemas::new_order_example();
    let body = ContentBuilder::new().schema(Some(named("NewOrder"))).example(Some(order));
    let body = match role {
        Role::Order => body.schema(Some(schemas::one_or_many_orders())).build(),
        Role::Frontend | Role::SeedFrontend | Role::Catalog => body.build(),
    };
    let body = RequestBodyBuilder::new()
        .content("application/json", body)
        .required(Some(Required::True))
        .build();
    let mut described = Described::new("placeOrder", "Place an order").with(parameter(
        ParameterIn::Header,
        "Idempotency-Key",
        key,
        schemas::key(),
    ));
    described.operation = described.operation.request_body(Some(body));
    let headers = [TOY_VERSION, LOG_INDEX];
    let example = json!({"data": {"order_number": 0}});
    let described = described
        .json_with(200, "Recorded, for good", "OrderedAnswer", example, &headers)
        .error(400, "Wrong, or too few in stock", "insufficient stock")
        .error(404, "No such toy", "product not found")
        .error(408, "The body did not come in time", "the body did not come within 10 s")
        .error(409, "Resolved as never before", "this request was resolved as never to be done")
        .error(413, "The body is too large", "the body has more than 16384 bytes")
        .error(415, "Not JSON", "content type \"text/xml\": expected application/json")
        .error(422, "The key was used for another order", "this Idempotency-Key was used")
        .unavailable();
    described.of_replica(role)
}

fn order_log() -> Described {
    let csv = "number,name,quantity\n0,Tux,1\n";
    let log = json!({"data": [schemas::order_example()["data"]]});
    let content = ContentBuilder::new().schema(Some(text())).example(Some(Value::from(csv)));
    let page = answer("A page", "application/json", named("OrderLogAnswer"), Some(log))
        .content("text/csv", content.build());
    let page = READ_FROM.iter().fold(page, |page, header| page.header(header.0, header.build()));
    Described::new("listOrders", "The order log; as CSV with `Accept: text/csv`")
        .with(parameter(
            ParameterIn::Query,
            "after",
            "Begin after this number",
            schemas::order_number(),
        ))
        .with(parameter(ParameterIn::Query, "limit", "At most so many; 100", number(1)))
        .with(level_parameter("local: a replica shows its own log"))
        .answered(200, page)
        .error(400, "A parameter is wrong", "limit=0 is no limit")
        .of_replica(Role::Order)
        .unavailable()
}

fn faults() -> Described {
    let example = schemas::faults_example();
    let body = ContentBuilder::new().schema(Some(named("Faults"))).example(Some(example));
    let body = RequestBodyBuilder::new().content("application/json", body.build()).build();
    let about = "What this node sends to others is lost, late or doubled from now on";
    let mut described = Described::new("putFaults", about);
    let token = SecurityRequirement::new(CLUSTER_TOKEN, Vec::<String>::new());
    described.operation = described.operation.request_body(Some(body)).security(token);
    let inside = "this is internal: it needs Authorization: Bearer CLUSTER_TOKEN";
    let example = json!({"data": schemas::faults_example()});
    described
        .json(200, "The whole set in force", "FaultsAnswer", example)
        .error(400, "The set is wrong, and the old one stays", "edges[0].loss: 2 is no probability")
        .error(401, "Without the cluster token", inside)
        .error(403, "With another one", "wrong cluster token")
        .error(404, "Without --chaos", "this node causes no faults: start it with --chaos")
}

fn fate(id: &str, summary: &str) -> Described {
    let example = json!({"data": {"state": "recorded", "order_number": 0}});
    Described::new(id, summary)
        .json(200, "Its fate", "FateAnswer", example)
        .error(400, "The key cannot be one", "Idempotency-Key must be 1 to 128 visible ASCII")
        .error(421, "A follower of the order service was asked", "not the leader, order-3 is")
        .unavailable()
}

impl Described {
    fn new(id: &str, summary: &str) -> Described {
        let operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
        Described { operation }
    }

    fn with(mut self, parameter: Parameter) -> Described {
        self.operation = self.operation.parameter(parameter);
        self
    }

    fn answered(mut self, status: u16, answer: ResponseBuilder) -> Described {
        self.operation = self.operation.response(status.to_string(), signed(answer));
        self
    }

    fn json(self, status: u16, meaning: &str, schema: &str, example: Value) -> Described {
        self.json_with(status, meaning, schema, example, &[])
    }

    fn json_with(
        self,
        status: u16,
        meaning: &str,
        schema: &str,
        example: Value,
        headers: &[Header],
    ) -> Described {
        let answer = answer(meaning, "application/json", named(schema), Some(example));
        let answer =
            headers.iter().fold(answer, |answer, header| answer.header(header.0, header.build()));
        self.answered(status, answer)
    }

    fn error(self, status: u16, meaning: &str, message: &str) -> Described {
        let example = json!({"error": {"code": status, "message": message}});
        self.json(status, meaning, "Error", example)
    }

    /// What every endpoint says that needs other nodes.
    fn unavailable(self) -> Described {
        let message = "outcome unknown: no leader; retry with the same Idempotency-Key";
        let example = json!({"error": {"code": 503, "message": message}});
        self.json_with(503, "Not now, or nobody knows", "Error", example, &[RETRY_AFTER])
    }

    /// What a replica says that does not lead.
    fn of_replica(self, role: Role) -> Described {
        match role {
            Role::Order | Role::Catalog => {
                self.error(421, "A follower was asked", "not the leader, replica 3 is")
            }
            Role::Frontend | Role::SeedFrontend => self,
        }
    }
}

/// A header of an answer: name, meaning, whether it is a number.
struct Header(&'static str, &'static str, bool);

/// Of every answer to a read: its level, and whose state it is from.
const READ_FROM: [Header; 3] = [
    Header(
        "Toystore-Consistency",
        "What was served: the level asked for, or a stronger one",
        false,
    ),
    Header("Toystore-Applied-Index", "How far the log was applied in the state read", true),
    Header("Toystore-Read-From", "Whose state: order-2/17, another number after a restart", false),
];

const LINEARIZABLE: &str = "linearizable";

const TOY_VERSION: Header =
    Header("Toystore-Toy-Version", "Counts the changes of the toy's stock, from 1", true);
const LOG_INDEX: Header = Header("Toystore-Log-Index", "Where it stands in the order log", true);
const X_CACHE: Header = Header("X-Cache", "hit, miss or bypass", false);
const ETAG: Header = Header("ETag", "The toy's version, in quotes", false);
const CACHE_CONTROL: Header = Header("Cache-Control", "private, no-cache", false);
const RETRY_AFTER: Header = Header("Retry-After", "Try again after so many seconds", true);
const SERVED_BY: Header = Header("Toystore-Served-By", "Which node answered: frontend-1", false);

impl Header {
    fn build(&self) -> utoipa::openapi::Header {
        let schema = if self.2 { number(0) } else { text() };
        HeaderBuilder::new().schema(Some(schema)).description(Some(self.1)).build()
    }
}

fn signed(answer: ResponseBuilder) -> ResponseBuilder {
    answer.header(SERVED_BY.0, SERVED_BY.build())
}

fn answer(
    meaning: &str,
    content_type: &str,
    schema: RefOr<Schema>,
    example: Option<Value>,
) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(schema)).example(example).build();
    ResponseBuilder::new().description(meaning).content(content_type, content)
}

/// How fresh an answer must be.
fn level_parameter(default: &str) -> Parameter {
    let about = format!("How fresh; by default {default}");
    parameter(ParameterIn::Query, "consistency", &about, schemas::consistency())
}

fn parameter(place: ParameterIn, name: &str, meaning: &str, schema: Schema) -> Parameter {
    let required = match place {
        ParameterIn::Path => Required::True,
        _ => Required::False,
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(meaning))
        .schema(Some(schema))
        .build()
}
