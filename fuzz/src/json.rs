//! A request as it comes from a socket: head, path, query, headers, body, in any of the dialects;
//! and the answers of another node on a connection that several questions share.
//!
//! The first byte of an input says which node is asked: `f`rontend, `s`eed frontend, `o`rder or
//! `c`atalog, or that these are `a`nswers; the second, in pieces of how many bytes the rest comes.
//! Called by the target of this name and by `tests/corpus.rs`; calls `toystore::Port` and
//! `toystore::read_answers`.

use serde_json::Value;
use shop::message::{NewOrder, Request, RequestId, Response};
use shop::toy::{Quantity, ToyName};
use toystore::{Port, Role, Understood, read_answers};

/// The token of the cluster, which seeds know, so that internal endpoints are reached.
const TOKEN: &str = "t";

/// How a head ends.
const HEADER_END: &[u8] = b"\r\n\r\n";

/// What is accepted keeps the documented ranges, whatever pieces it came in; what is not gets the
/// error object, and a status that says whose fault it is.
///
/// # Panics
/// If that is not so.
pub fn check(input: &[u8]) {
    let [kind, step, bytes @ ..] = input else { return };
    let step = usize::from(*step) + 1;
    if *kind == b'a' {
        let whole = read_answers(bytes, bytes.len());
        let within: usize = whole.iter().map(|(_, body)| body.len()).sum();
        assert!(within <= bytes.len(), "{within} bytes in {}", bytes.len());
        assert_eq!(read_answers(bytes, step), whole, "torn, and whole");
        return;
    }
    let (role, name) = match kind {
        b's' => (Role::SeedFrontend, "frontend-1"),
        b'o' => (Role::Order, "order-1"),
        b'c' => (Role::Catalog, "catalog"),
        _ => (Role::Frontend, "frontend-1"),
    };
    let port = Port::new(role, name.to_string(), TOKEN);
    let whole = port.read(bytes, bytes.len());
    match &whole {
        Understood::Half | Understood::Own => {}
        Understood::Asked(request) => in_range(request),
        Understood::Refused(answer) => is_refusal(answer),
    }
    let torn = port.read(bytes, step);
    assert_eq!(without_chance(torn), without_chance(whole), "torn, and whole");
}

/// What was understood, without what is drawn or is the time.
fn without_chance(understood: Understood) -> String {
    match understood {
        Understood::Half => "half".to_string(),
        Understood::Own => "own".to_string(),
        Understood::Asked(mut request) => {
            match &mut request {
                Request::PlaceOrder(order) => order.request_id = RequestId(0),
                Request::PlaceOrders(orders) => {
                    orders.iter_mut().for_each(|order| order.request_id = RequestId(0));
                }
                _ => {}
            }
            format!("{request:?}")
        }
        Understood::Refused(answer) => {
            let text = String::from_utf8_lossy(&answer).into_owned();
            text.split("\r\n").filter(|line| !line.starts_with("date: ")).collect()
        }
    }
}

fn in_range(request: &Request) {
    assert!(!request.to_string().is_empty(), "{request:?} without words");
    let of_order = |order: &NewOrder| {
        is_name(&order.name);
        let quantity = order.quantity.get();
        assert!((1..=Quantity::MAX).contains(&quantity), "{quantity} of a toy");
    };
    match request {
        Request::ReadProduct { name, .. } => is_name(name),
        Request::Fill { name, holder, .. } => {
            is_name(name);
            assert!(holder.as_ref().is_none_or(|holder| holder.frontend > 0), "{holder:?}");
        }
        Request::ListProducts { after, limit, .. } => {
            after.iter().for_each(is_name);
            assert!(*limit > 0, "no toys on a page");
        }
        Request::ListOrders { limit, .. } => assert!(*limit > 0, "no orders on a page"),
        Request::PlaceOrder(order) => of_order(order),
        Request::PlaceOrders(orders) => orders.iter().for_each(of_order),
        Request::Take { items, .. } => items.iter().for_each(|item| of_order(&item.order)),
        Request::Invalidate { names } => names.iter().for_each(is_name),
        Request::RenewLease { frontend, url, .. } => {
            assert!(*frontend > 0 && url.starts_with("http://"), "frontend {frontend} at {url}");
        }
        Request::EndLease { frontend, .. } => assert!(*frontend > 0, "frontend 0"),
        Request::ReadOrder { .. }
        | Request::ReadFate { .. }
        | Request::ResolveFate { .. }
        | Request::ReadLeader
        | Request::Lead { .. }
        | Request::PutView { .. }
        | Request::Settle { .. }
        | Request::DropCache { .. }
        | Request::ReadDigest { .. }
        | Request::ReadMissed { .. }
        | Request::ReadMembers
        | Request::ChangeMembers(_) => {}
    }
}

fn is_name(name: &ToyName) {
    let characters = name.spelling().chars().count();
    assert!((1..=ToyName::CHARACTERS_MAX).contains(&characters), "{characters} characters");
    assert!(!name.spelling().chars().any(char::is_control), "{name:?}");
}

/// An answer with a status of 400 to 499, as long as it says, with the error object or, to another
/// service, the problem.
fn is_refusal(answer: &[u8]) {
    let shown = answer.escape_ascii().to_string();
    let end = answer.windows(4).position(|four| four == HEADER_END).expect("a head has an end");
    let head = std::str::from_utf8(&answer[..end]).expect("what we write in a head is text");
    let body = &answer[end + 4..];
    let status: u16 = head[9..12].parse().expect("a status");
    assert!((400..500).contains(&status), "not the fault of who asked: {shown}");
    let header = |name: &str| {
        head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let length = header("content-length").expect("its length");
    // An answer to HEAD has the length of that to GET.
    assert!(body.is_empty() || length == body.len().to_string(), "another length: {shown}");
    if body.is_empty() {
        return;
    }
    if header("content-type") == Some("application/x-postcard") {
        let said: Response = postcard::from_bytes(body).expect("what was written can be read");
        let problem = said.expect_err("a refusal");
        assert_eq!(problem.status(), status, "{shown}");
        return;
    }
    assert_eq!(header("content-type"), Some("application/json"), "{shown}");
    let value: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(value["error"]["code"], status, "{shown}");
    assert!(value["error"]["message"].as_str().is_some_and(|words| !words.is_empty()), "{shown}");
}
