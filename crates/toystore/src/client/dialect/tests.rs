//! Everything that a shopper says and hears, in both dialects.

use hyper::header::{HeaderMap, HeaderValue};
use shop::message::{NewOrder, RequestId};

use super::*;

fn read_product() -> Request {
    let consistency = Consistency::Linearizable;
    Request::ReadProduct { name: "Rubik's Cube".parse().unwrap(), consistency }
}

fn place_order() -> Request {
    Request::PlaceOrder(NewOrder {
        request_id: RequestId(7),
        name: "Tux".parse().unwrap(),
        quantity: Quantity::new(2).unwrap(),
    })
}

fn read_order() -> Request {
    Request::ReadOrder { number: OrderNumber(3), consistency: Consistency::Linearizable }
}

fn said(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Said {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_static(value));
    }
    Said { status, headers: map, body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn check(dialect: Dialect, request: &Request, said: &Said, expected: &str) {
    let shown = match dialect.answer(request, said) {
        Ok(reply) => reply.to_string(),
        Err(problem) => format!("error {} {}", problem.status(), problem.message()),
    };
    assert_eq!(shown, expected);
}

#[test]
fn requests_are_written_as_each_dialect_wants_them() {
    let ask = Dialect::Lab.ask(&read_product(), "k").unwrap();
    assert_eq!((ask.method, ask.path.as_str()), (Method::GET, "/products/Rubik%27s%20Cube"));

    let ask = Dialect::Lab.ask(&place_order(), "k").unwrap();
    assert_eq!((ask.method, ask.path.as_str()), (Method::POST, "/orders"));
    assert_eq!(&ask.body[..], br#"{"name":"Tux","quantity":2}"#);
    assert_eq!(ask.headers[0].1, "k");

    let ask = Dialect::Seed.ask(&place_order(), "k").unwrap();
    assert_eq!(&ask.body[..], br#"{"name":"Tux","qty":2}"#);
}

#[test]
fn a_wrong_dialect_is_seen_in_the_first_answers() {
    let lab = said(200, &[], r#"{"data":{"name":"Tux","price":25.90,"quantity":98}}"#);
    let seed = said(200, &[], r#"{"name":"tux","qty":98,"cost":25.99}"#);
    let nothing = said(404, &[], r#"{"error":{"code":404,"message":"Product not found"}}"#);
    let list =
        Request::ListProducts { after: None, limit: 9, consistency: Consistency::Linearizable };
    let look = read_product();
    let other = |flag: &str| Some(format!("it speaks the other dialect: say --dialect {flag}"));
    assert_eq!(Dialect::Lab.advice(&look, &seed), other("seed"));
    assert_eq!(Dialect::Seed.advice(&look, &lab), other("lab"));
    let words = Dialect::Lab.advice(&list, &nothing).unwrap();
    assert!(words.contains("--dialect seed") && words.contains("--toys"), "{words}");
    for (dialect, right) in [(Dialect::Lab, &lab), (Dialect::Seed, &seed)] {
        for answer in [right, &nothing, &said(200, &[], "[]")] {
            assert_eq!(dialect.advice(&look, answer), None);
        }
    }
}

#[test]
fn products_orders_and_numbers_are_read_in_both_dialects() {
    let headers = [("x-cache", "hit"), ("toystore-toy-version", "17")];
    let lab = said(200, &headers, r#"{"data":{"name":"Tux","price":25.90,"quantity":98}}"#);
    check(Dialect::Lab, &read_product(), &lab, "Tux 25.90 x98 v17 hit");
    let seed = said(200, &[], r#"{"name":"tux","qty":98,"cost":25.99}"#);
    check(Dialect::Seed, &read_product(), &seed, "tux 25.99 x98 v0 miss");

    let headers = [("toystore-toy-version", "2"), ("toystore-log-index", "9")];
    let ordered = said(200, &headers, r#"{"data":{"order_number":0}}"#);
    check(Dialect::Lab, &place_order(), &ordered, "ordered 0 v2 @9");
    check(Dialect::Seed, &place_order(), &ordered, "ordered 0 v2 @9");

    let lab = said(200, &[], r#"{"data":{"number":3,"name":"Tux","quantity":1}}"#);
    check(Dialect::Lab, &read_order(), &lab, "order 3 Tuxx1 @0");
    let seed = said(200, &[], r#"{"number":3,"name":"tux","qty":1}"#);
    check(Dialect::Seed, &read_order(), &seed, "order 3 tuxx1 @0");
}

#[test]
fn toys_are_listed_page_by_page_in_the_labs_dialect_only() {
    let after = Some("Etch A Sketch".parse().unwrap());
    let path = |consistency| {
        let request = Request::ListProducts { after: after.clone(), limit: 100, consistency };
        Dialect::Lab.ask(&request, "k").unwrap().path
    };
    let plain = "/products?after=Etch%20A%20Sketch&limit=100";
    assert_eq!(path(Consistency::Linearizable), plain);
    assert_eq!(path(Consistency::Local), format!("{plain}&consistency=local"));
    let (limit, consistency) = (100, Consistency::Local);
    let request = Request::ListProducts { after: after.clone(), limit, consistency };
    assert!(Dialect::Seed.ask(&request, "k").is_none());

    let page = r#"{"data":[{"name":"Tux","price":25.99,"quantity":98},
        {"name":"Fox","price":9.99,"quantity":0}]}"#;
    let answer = Dialect::Lab.answer(&request, &said(200, &[], page));
    let Ok(Reply::Products { products: toys, .. }) = answer else { panic!("{answer:?}") };
    let shown: Vec<String> = toys.iter().map(Product::to_string).collect();
    assert_eq!(shown, ["Tux 25.99 x98 v0", "Fox 9.99 x0 v0"]);
    let nothing = Dialect::Lab.answer(&request, &said(200, &[], r#"{"data":{}}"#));
    assert!(matches!(&nothing, Err(Problem::Bad(why)) if why.contains("a list")), "{nothing:?}");
}

#[test]
fn errors_say_what_is_final_and_what_is_unknown() {
    let error = |status: u16, message: &str| {
        said(status, &[], &json!({"error": {"code": status, "message": message}}).to_string())
    };
    let unknown_toy = error(404, "product not found");
    check(Dialect::Lab, &read_product(), &unknown_toy, "error 404 product not found");
    check(Dialect::Lab, &read_order(), &error(404, "x"), "error 404 order not found");
    for text in ["insufficient stock", "Insufficient quantity available"] {
        let answer = Dialect::Seed.answer(&place_order(), &error(400, text));
        assert!(matches!(answer, Err(Problem::InsufficientStock { .. })), "{answer:?}");
    }
    let bad = Dialect::Lab.answer(&place_order(), &error(400, "quantity must be …"));
    assert!(matches!(bad, Err(Problem::Bad(_))), "{bad:?}");
    for status in [500, 502, 503, 504] {
        let answer = Dialect::Lab.answer(&place_order(), &error(status, "outcome unknown: x"));
        assert!(matches!(answer, Err(Problem::OutcomeUnknown(_))), "{answer:?}");
    }
}

#[test]
fn an_answer_that_is_not_as_agreed_is_an_error_that_shows_it() {
    for body in ["", "[]", "<html>", r#"{"data":{}}"#, r#"{"data":{"order_number":"0"}}"#] {
        let answer = Dialect::Lab.answer(&place_order(), &said(200, &[], body));
        assert!(matches!(&answer, Err(Problem::Bad(why)) if why.contains(body)), "{answer:?}");
    }
}
