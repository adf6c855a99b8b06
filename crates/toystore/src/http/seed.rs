//! The original project's dialect of answers, so that its own client runs unchanged.
//!
//! Other field names, other messages, no envelope around what is read. Called by [`super::site`]
//! for the port of `--seed-listen`.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;
use shop::message::{Problem, Reply, Response};

use super::answer::{self, Answer};
use super::endpoint::{Endpoint, Role};

/// The answer to a message.
pub fn render(endpoint: Endpoint, response: &Response) -> Answer {
    match response {
        Ok(Reply::Product { product, cache }) => {
            let name = Value::from(product.name.key());
            let (quantity, price) = (product.quantity, product.price);
            let body = format!("{{\"name\":{name},\"qty\":{quantity},\"cost\":{price}}}");
            let mut answer = answer::json(StatusCode::OK, body);
            let cache = HeaderValue::try_from(cache.to_string());
            let x_cache = HeaderName::from_static("x-cache");
            answer.headers_mut().insert(x_cache, cache.expect("hit, miss or bypass"));
            answer
        }
        Ok(Reply::Order(order)) => {
            let name = Value::from(order.name.key());
            let (number, quantity) = (order.number, order.quantity);
            let body = format!("{{\"number\":{number},\"name\":{name},\"qty\":{quantity}}}");
            answer::json(StatusCode::OK, body)
        }
        Ok(Reply::Done) => {
            let body = r#"{"message":"Item deleted from cache"}"#;
            answer::json(StatusCode::OK, body)
        }
        Ok(reply) => answer::reply(Role::SeedFrontend, reply, None),
        Err(problem) => {
            let message = match (problem, endpoint) {
                (Problem::UnknownProduct, Endpoint::PlaceOrder) => "Invalid toy name".to_string(),
                (Problem::UnknownProduct, _) => "Product not found".to_string(),
                (Problem::UnknownOrder, _) => "Order not found".to_string(),
                (Problem::InsufficientStock { .. }, _) => {
                    "Insufficient quantity available".to_string()
                }
                (problem, _) => problem.message(),
            };
            answer::error(answer::status_of(problem), &message)
        }
    }
}
