//! The two ways of saying the same over HTTP: the lab's, and the original project's.
//!
//! Messages in, HTTP out, and back. Written from the outside, by what stands in the lab's text and
//! in the original project, and not shared with our own servers: a client that is built from the
//! server's own code would find every answer right. Called by [`super::runner`].

use std::fmt;

use bytes::Bytes;
use clap::ValueEnum;
use hyper::Method;
use replication::NodeId;
use serde_json::{Value, json};
use shop::message::{
    CacheUse, Consistency, Order, OrderNumber, Ordered, Problem, ReadFrom, Reply, Request, Response,
};
use shop::node::{Address, Answer};
use shop::toy::{Cents, Product, Quantity, ToyName, Version};

use crate::http::connection::{Ask, NoAnswer, Said};

/// Which JSON is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// The lab's: {"data":{"name":"Tux","price":25.99,"quantity":100}}
    Lab,
    /// The original project's: {"name":"tux","qty":100,"cost":25.99}
    Seed,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dialect::Lab => "lab",
            Dialect::Seed => "seed",
        })
    }
}

impl Dialect {
    /// The HTTP request for what a shopper wants; absent for what no shopper asks.
    pub fn ask(self, request: &Request, key: &str) -> Option<Ask> {
        match request {
            Request::ReadProduct { name, consistency } => {
                let level = level("?", *consistency);
                Some(Ask::get(format!("/products/{}{level}", path_segment(name.spelling()))))
            }
            // The original project cannot list its toys: its shoppers are told them.
            Request::ListProducts { after, limit, consistency } if self == Dialect::Lab => {
                let place = after.as_ref().map_or_else(String::new, |name| {
                    format!("after={}&", path_segment(name.spelling()))
                });
                let level = level("&", *consistency);
                Some(Ask::get(format!("/products?{place}limit={limit}{level}")))
            }
            Request::ReadOrder { number, consistency } => {
                Some(Ask::get(format!("/orders/{number}{}", level("?", *consistency))))
            }
            Request::PlaceOrder(order) => {
                let (name, quantity) = (order.name.spelling(), order.quantity.get());
                let body = match self {
                    Dialect::Lab => json!({"name": name, "quantity": quantity}),
                    Dialect::Seed => json!({"name": name, "qty": quantity}),
                };
                let ask = Ask {
                    method: Method::POST,
                    path: "/orders".to_string(),
                    body: Bytes::from(body.to_string()),
                    ..Ask::default()
                };
                Some(ask.with("idempotency-key", key.to_string()))
            }
            _ => None,
        }
    }

    /// What the HTTP answer means.
    pub fn answer(self, request: &Request, said: &Said) -> Response {
        if said.status != 200 {
            return Err(problem(request, said));
        }
        let wrong = |what: &str| {
            let body = String::from_utf8_lossy(&said.body);
            Problem::Bad(format!("an answer without {what}: {body}"))
        };
        let body: Value = serde_json::from_slice(&said.body).map_err(|_| wrong("JSON"))?;
        let bare = self == Dialect::Seed && !matches!(request, Request::PlaceOrder(_));
        let data = if bare { &body } else { &body["data"] };
        let version = Version(number_in(said, "toystore-toy-version"));
        let index = number_in(said, "toystore-log-index");
        match request {
            Request::ReadProduct { .. } => Ok(Reply::Product {
                product: self.product(data, version).map_err(wrong)?,
                cache: match said.header("x-cache") {
                    Some("hit") => CacheUse::Hit,
                    Some("bypass") => CacheUse::Bypass,
                    _ => CacheUse::Miss,
                },
                from: read_from(said),
            }),
            Request::ListProducts { .. } => {
                let list = data.as_array().ok_or_else(|| wrong("a list"))?;
                // A list says nothing of versions in this dialect.
                let product = |toy| self.product(toy, Version::default()).map_err(wrong);
                let products = list.iter().map(product).collect::<Result<_, _>>()?;
                Ok(Reply::Products { products, from: read_from(said) })
            }
            Request::PlaceOrder(_) => {
                let number = data["order_number"].as_u64();
                let number = OrderNumber(number.ok_or_else(|| wrong("an order number"))?);
                Ok(Reply::Ordered(Ordered { number, version, index }))
            }
            Request::ReadOrder { .. } => {
                let number = data["number"].as_u64().ok_or_else(|| wrong("a number"))?;
                let many = data[self.quantity()].as_i64().and_then(|many| Quantity::new(many).ok());
                let order = Order {
                    number: OrderNumber(number),
                    name: name(data).ok_or_else(|| wrong("a name"))?,
                    quantity: many.ok_or_else(|| wrong("a quantity"))?,
                    index,
                };
                Ok(Reply::Order { order, from: read_from(said) })
            }
            _ => Err(wrong("a question")),
        }
    }

    /// What should be said otherwise on the command line, if an answer shows that: a wrong dialect
    /// is seen in the first look at a toy, since only one of the two has an envelope.
    pub fn advice(self, request: &Request, said: &Said) -> Option<String> {
        if matches!(request, Request::ListProducts { .. }) && said.status == 404 {
            return Some(
                "it lists no toys. If it speaks the original project's dialect, say --dialect \
                 seed; else --toys says what to look at"
                    .to_string(),
            );
        }
        if !matches!(request, Request::ReadProduct { .. }) || said.status != 200 {
            return None;
        }
        let body: Value = serde_json::from_slice(&said.body).ok()?;
        let spoken = match (name(&body["data"]), name(&body)) {
            (Some(_), _) => Dialect::Lab,
            (None, Some(_)) => Dialect::Seed,
            (None, None) => return None,
        };
        (spoken != self).then(|| format!("it speaks the other dialect: say --dialect {spoken}"))
    }

    /// What it means to a client that this was said to its request, or nothing was.
    pub fn meant(self, request: &Request, answered: &Result<Said, NoAnswer>) -> Answer {
        match answered {
            Ok(said) => Answer::Said(self.answer(request, said)),
            Err(NoAnswer::Refused(_)) => Answer::Refused,
            Err(NoAnswer::Unknown(_)) => Answer::Unknown,
        }
    }

    /// What the field is called that says how many.
    fn quantity(self) -> &'static str {
        match self {
            Dialect::Lab => "quantity",
            Dialect::Seed => "qty",
        }
    }

    /// A toy, or what is missing in it.
    fn product(self, data: &Value, version: Version) -> Result<Product, &'static str> {
        let price = match self {
            Dialect::Lab => "price",
            Dialect::Seed => "cost",
        };
        Ok(Product {
            name: name(data).ok_or("a name")?,
            price: cents(&data[price]).ok_or("a price")?,
            quantity: data[self.quantity()].as_u64().ok_or("a quantity")?,
            version,
        })
    }
}

fn name(data: &Value) -> Option<ToyName> {
    data["name"].as_str()?.parse().ok()
}

/// What an error object means. Only 5xx leaves open what has happened.
fn problem(request: &Request, said: &Said) -> Problem {
    let message = said.message();
    let orders = matches!(request, Request::PlaceOrder(_));
    match said.status {
        404 => match request {
            Request::ReadOrder { consistency: Consistency::Linearizable, .. } => {
                Problem::UnknownOrder
            }
            Request::ReadOrder { .. } => Problem::NoOrderHere(read_from(said)),
            _ => Problem::UnknownProduct,
        },
        400 if orders && message.to_lowercase().contains("insufficient") => {
            Problem::InsufficientStock {
                version: Version(number_in(said, "toystore-toy-version")),
                index: number_in(said, "toystore-log-index"),
            }
        }
        409 => Problem::Resolved,
        421 => Problem::NotLeader { leader: None },
        422 => Problem::KeyReused,
        503 if message.starts_with("not available") => Problem::Unavailable(message),
        500.. => Problem::OutcomeUnknown(format!("{} {message}", said.status)),
        _ => Problem::Bad(message),
    }
}

/// The level as a part of a query; nothing, if it is the default.
fn level(before: &str, consistency: Consistency) -> String {
    match consistency {
        Consistency::Linearizable => String::new(),
        Consistency::Leader | Consistency::Local => format!("{before}consistency={consistency}"),
    }
}

/// Where an answer is from, as its headers say; a store that is not ours says nothing of it.
fn read_from(said: &Said) -> ReadFrom {
    let known = || {
        let consistency = said.header("toystore-consistency")?.parse().ok()?;
        let (node, incarnation) = said.header("toystore-read-from")?.split_once('/')?;
        let (role, number) = node.split_once('-')?;
        let number: u8 = number.parse().ok()?;
        let node = match role {
            "frontend" => Address::Frontend(number),
            "order" => Address::Order(NodeId(number)),
            "catalog" => Address::Catalog(NodeId(number)),
            _ => return None,
        };
        let applied = number_in(said, "toystore-applied-index");
        Some(ReadFrom { consistency, node, incarnation: incarnation.parse().ok()?, applied })
    };
    known().unwrap_or(ReadFrom::UNTOLD)
}

/// A number in a header; 0 from a server that does not send it.
fn number_in(said: &Said, header: &str) -> u64 {
    said.header(header).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Prices are compared as they are written: no float touches them where it matters.
fn cents(value: &Value) -> Option<Cents> {
    let price = value.as_f64()?;
    format!("{price:.2}").parse().ok()
}

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3).
fn path_segment(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
