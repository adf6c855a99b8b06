//! What bodies look like, as JSON Schema, and an example of each. Used by [`super`].

use serde_json::{Value, json};
use shop::message::{Consistency, RequestId};
use shop::toy::{Quantity, ToyName};
use utoipa::openapi::schema::{AdditionalProperties, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ArrayBuilder, Components, ComponentsBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema,
};

use super::super::endpoint::Role;
use crate::peer::faults::DELAY_MS_MAX;

/// The name of the secret that nodes show each other.
pub const CLUSTER_TOKEN: &str = "ClusterToken";

/// A schema of [`all`], by its name.
pub fn named(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

/// Any text.
pub fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// A whole number.
pub fn number(minimum: u64) -> Schema {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(minimum)).into()
}

/// An order's number, as far as there can be any.
pub fn order_number() -> Schema {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_u64));
    number.maximum(Some(u64::MAX)).into()
}

/// A toy's name: no control characters.
pub fn toy_name() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    let name = name.pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"));
    name.max_length(Some(ToyName::CHARACTERS_MAX)).into()
}

/// An `Idempotency-Key`.
pub fn key() -> Schema {
    let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]+$"));
    key.min_length(Some(1)).max_length(Some(RequestId::KEY_BYTES_MAX)).into()
}

/// How fresh an answer must be.
pub fn consistency() -> Schema {
    one_of(&Consistency::ALL.map(Consistency::name))
}

/// Any JSON.
pub fn anything() -> Schema {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
}

/// An object with exactly these fields, all of them there unless their name ends with `?`.
fn object(fields: &[(&str, RefOr<Schema>)]) -> ObjectBuilder {
    let mut object =
        ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for (name, schema) in fields {
        object = match name.strip_suffix('?') {
            Some(name) => object.property(name, schema.clone()),
            None => object.property(*name, schema.clone()).required(*name),
        };
    }
    object
}

/// `{"data":…}`.
fn data(schema: impl Into<RefOr<Schema>>) -> Schema {
    object(&[("data", schema.into())]).into()
}

fn list(item: &str) -> RefOr<Schema> {
    Schema::Array(ArrayBuilder::new().items(named(item)).build()).into()
}

fn truth() -> Schema {
    ObjectBuilder::new().schema_type(Type::Boolean).into()
}

/// Every schema that has a name.
pub fn all(role: Role) -> Components {
    let price = ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0_u64))
        .description(Some("Two decimals"));
    let mut product = vec![
        ("name", toy_name().into()),
        ("price", RefOr::from(Schema::from(price))),
        ("quantity", number(0).into()),
    ];
    if role == Role::Catalog {
        product.push(("version", number(1).into()));
    }
    let error = object(&[("code", number(400).into()), ("message", text().into())]);
    let order = object(&[
        ("number", number(0).into()),
        ("name", toy_name().into()),
        ("quantity", quantity().into()),
    ]);
    ComponentsBuilder::new()
        .schema("Error", object(&[("error", Schema::from(error).into())]))
        .schema("Product", object(&product))
        .schema("ProductAnswer", data(named("Product")))
        .schema("ProductsAnswer", data(list("Product")))
        .schema("NewOrder", new_order(role))
        .schema("Ordered", object(&[("order_number", number(0).into())]))
        .schema("OrderedAnswer", ordered_answer(role))
        .schema("Order", order)
        .schema("OrderAnswer", data(named("Order")))
        .schema("OrderLogAnswer", data(list("Order")))
        .schema("Fate", fate())
        .schema("FateAnswer", data(named("Fate")))
        .schema("Live", data(Schema::from(object(&[("live", truth().into())]))))
        .schema("Ready", data(Schema::from(object(&[("ready", truth().into())]))))
        .schema("EdgeFaults", edge_faults())
        .schema("Faults", object(&[("seed?", number(0).into()), ("edges?", list("EdgeFaults"))]))
        .schema("FaultsAnswer", data(named("Faults")))
        .schema("Status", status())
        .security_scheme(CLUSTER_TOKEN, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .build()
}

fn quantity() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1_u64))
        .maximum(Some(u64::from(Quantity::MAX)))
        .into()
}

/// Unknown fields are let through: a client may say more than it needs to.
fn new_order(role: Role) -> ObjectBuilder {
    let order = ObjectBuilder::new()
        .property("name", toy_name())
        .required("name")
        .property("quantity", quantity())
        .required("quantity");
    if role == Role::Order { order.property("idempotency_key", key()) } else { order }
}

/// At the order service, which also takes several at once. Each of them is judged by itself: a list
/// of anything is accepted, and its items are answered one by one.
pub fn one_or_many_orders() -> RefOr<Schema> {
    let many = Schema::Array(ArrayBuilder::new().items(RefOr::from(anything())).build());
    OneOfBuilder::new().item(named("NewOrder")).item(many).into()
}

/// One of the events of `/events`.
pub fn event() -> Schema {
    object(&[("event", one_of(&["status"]).into()), ("data", text().into())]).into()
}

fn ordered_answer(role: Role) -> Schema {
    if role != Role::Order {
        return data(named("Ordered"));
    }
    let pending = object(&[("state", one_of(&["pending"]).into())]);
    let one = OneOfBuilder::new()
        .item(data(named("Ordered")))
        .item(data(Schema::from(pending)))
        .item(named("Error"));
    let each = Schema::Array(ArrayBuilder::new().items(one).build());
    data(OneOfBuilder::new().item(named("Ordered")).item(each))
}

fn one_of(values: &[&str]) -> Schema {
    let values = values.iter().copied();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values)).into()
}

fn fate() -> ObjectBuilder {
    let states = ["recorded", "refused", "pending", "never", "unknown"];
    object(&[
        ("state", one_of(&states).into()),
        ("order_number?", number(0).into()),
        ("reason?", one_of(&["insufficient stock", "product not found"]).into()),
    ])
}

fn edge_faults() -> ObjectBuilder {
    let whole = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0_u64));
    let milliseconds = Schema::from(whole.maximum(Some(DELAY_MS_MAX)));
    let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0_u64));
    let probability = Schema::from(number.maximum(Some(1_u64)));
    object(&[
        ("to", text().into()),
        ("cut?", truth().into()),
        ("delay_ms?", milliseconds.clone().into()),
        ("jitter_ms?", milliseconds.into()),
        ("loss?", probability.clone().into()),
        ("duplicate?", probability.into()),
    ])
}

/// A node that is cut off from one other, and reaches a second one badly.
pub fn faults_example() -> Value {
    json!({"seed": 1, "edges": [
        {"to": "order-2", "cut": true},
        {"to": "catalog", "delay_ms": 50, "jitter_ms": 20, "loss": 0.1, "duplicate": 0.1},
    ]})
}

fn status() -> ObjectBuilder {
    let none = ObjectBuilder::new().schema_type(Type::Null);
    let faults = OneOfBuilder::new().item(named("Faults")).item(none);
    let why = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    let free = Schema::from(ObjectBuilder::new().schema_type(Type::Object));
    object(&[
        ("node", text().into()),
        ("role", one_of(&["frontend", "order", "catalog"]).into()),
        ("pid", number(1).into()),
        ("version", text().into()),
        ("uptime_ms", number(0).into()),
        ("ready", truth().into()),
        ("not_ready_because", Schema::from(why).into()),
        ("http", free.clone().into()),
        ("faults", Schema::from(faults).into()),
        ("status", free.into()),
    ])
}

/// A toy.
pub fn product_example(role: Role) -> Value {
    match role {
        Role::Catalog => {
            json!({"data": {"name": "Tux", "price": 25.99, "quantity": 100, "version": 1}})
        }
        Role::Frontend | Role::SeedFrontend | Role::Order => {
            json!({"data": {"name": "Tux", "price": 25.99, "quantity": 100}})
        }
    }
}

/// A page of toys.
pub fn products_example(role: Role) -> Value {
    json!({"data": [product_example(role)["data"]]})
}

/// What is ordered.
pub fn new_order_example() -> Value {
    json!({"name": "Tux", "quantity": 1})
}

/// An order.
pub fn order_example() -> Value {
    json!({"data": {"number": 0, "name": "Tux", "quantity": 1}})
}
