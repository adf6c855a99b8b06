//! The original project's dialect of answers, so that its own client runs unchanged.
//!
//! Other field names, other messages, no envelope around what is read; what proof needs travels in
//! the same headers. Called by [`super::site`] for the port of `--seed-listen`.

use hyper::StatusCode;
use serde_json::{Value, json};
use shop::message::{Problem, Reply, Response};

use super::answer::{self, Answer};
use super::endpoint::{Endpoint, Role};
use super::lab;
use super::request::{self, Asked};

/// The answer to a message.
pub fn render(asked: &Asked<'_>, response: &Response) -> Answer {
    match response {
        Ok(Reply::Product { product, cache, from }) => {
            let name = Value::from(product.name.key());
            let (quantity, price) = (product.quantity, product.price);
            let body = format!("{{\"name\":{name},\"qty\":{quantity},\"cost\":{price}}}");
            let mut answer = answer::json(StatusCode::OK, body);
            lab::add_cache_use(&mut answer, *cache);
            lab::add_version(&mut answer, product.version);
            lab::add_from(&mut answer, from);
            answer
        }
        Ok(Reply::Order { order, from }) => {
            let name = Value::from(order.name.key());
            let (number, quantity) = (order.number, order.quantity);
            let body = format!("{{\"number\":{number},\"name\":{name},\"qty\":{quantity}}}");
            let mut answer = answer::json(StatusCode::OK, body);
            lab::add_index(&mut answer, order.index);
            lab::add_from(&mut answer, from);
            answer
        }
        Ok(Reply::Done) => {
            let name = request::decode_text(asked.argument).unwrap_or_default().to_lowercase();
            let message = format!("Item {name} deleted from cache");
            answer::json(StatusCode::OK, json!({"message": message}).to_string())
        }
        Ok(reply) => lab::reply(Role::SeedFrontend, reply, None),
        Err(problem) => {
            let message = match (problem, asked.endpoint) {
                (Problem::UnknownProduct, Endpoint::PlaceOrder) => "Invalid toy name".to_string(),
                (Problem::UnknownProduct, _) => "Product not found".to_string(),
                (Problem::UnknownOrder | Problem::NoOrderHere(_), _) => {
                    "Order not found".to_string()
                }
                (Problem::InsufficientStock { .. }, _) => {
                    "Insufficient quantity available".to_string()
                }
                (problem, _) => problem.message(),
            };
            lab::problem_in_words(problem, &message)
        }
    }
}
