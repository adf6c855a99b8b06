//! The two ways of saying the same over HTTP: the lab's, and the original project's.
//!
//! Messages in, HTTP out, and back. Written from the outside, by what stands in the lab's text and
//! in the original project, and not shared with our own servers: a client that is built from the
//! server's own code would find every answer right. Called by [`super::runner`].

use std::fmt;

use bytes::Bytes;
use clap::ValueEnum;
use hyper::Method;
use serde_json::{Value, json};
use shop::message::{CacheUse, Order, OrderNumber, Ordered, Problem, Reply, Request, Response};
use shop::toy::{Cents, Product, Quantity, ToyName, Version};

use super::connection::{Ask, Said};

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
            Request::ReadProduct { name } => {
                Some(Ask::get(format!("/products/{}", path_segment(name.spelling()))))
            }
            Request::ReadOrder { number } => Some(Ask::get(format!("/orders/{number}"))),
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
                Some(ask.with("idempotency-key", key))
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
        let (quantity, price) = match self {
            Dialect::Lab => ("quantity", "price"),
            Dialect::Seed => ("qty", "cost"),
        };
        let name = || data["name"].as_str().and_then(|text| text.parse::<ToyName>().ok());
        let version = Version(number_in(said, "toystore-toy-version"));
        let index = number_in(said, "toystore-log-index");
        match request {
            Request::ReadProduct { .. } => Ok(Reply::Product {
                product: Product {
                    name: name().ok_or_else(|| wrong("a name"))?,
                    price: cents(&data[price]).ok_or_else(|| wrong("a price"))?,
                    quantity: data[quantity].as_u64().ok_or_else(|| wrong("a quantity"))?,
                    version,
                },
                cache: match said.header("x-cache") {
                    Some("hit") => CacheUse::Hit,
                    Some("bypass") => CacheUse::Bypass,
                    _ => CacheUse::Miss,
                },
            }),
            Request::PlaceOrder(_) => {
                let number = data["order_number"].as_u64();
                let number = OrderNumber(number.ok_or_else(|| wrong("an order number"))?);
                Ok(Reply::Ordered(Ordered { number, version, index }))
            }
            Request::ReadOrder { .. } => {
                let number = data["number"].as_u64().ok_or_else(|| wrong("a number"))?;
                let many = data[quantity].as_i64().and_then(|many| Quantity::new(many).ok());
                Ok(Reply::Order(Order {
                    number: OrderNumber(number),
                    name: name().ok_or_else(|| wrong("a name"))?,
                    quantity: many.ok_or_else(|| wrong("a quantity"))?,
                    index,
                }))
            }
            _ => Err(wrong("a question")),
        }
    }
}

/// What an error object means. Only 5xx leaves open what has happened.
fn problem(request: &Request, said: &Said) -> Problem {
    let message = said.message();
    let orders = matches!(request, Request::PlaceOrder(_));
    match said.status {
        404 if matches!(request, Request::ReadOrder { .. }) => Problem::UnknownOrder,
        404 => Problem::UnknownProduct,
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
