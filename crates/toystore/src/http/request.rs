//! From an HTTP request to a message, or to an error that says what is wrong, where, and what was
//! expected.
//!
//! Pure. Called by [`super::site`] when it has the endpoint and the whole body.

use percent_encoding::percent_decode_str;
use replication::Index;
use serde::Deserialize;
use serde_json::Value;
use shop::message::{
    Consistency, Generation, LeaseHolder, NewOrder, OrderNumber, Problem, Request, RequestId,
};
use shop::toy::{Quantity, ToyName, Version};

use super::endpoint::{Endpoint, Role};
use super::head::Head;
use super::wire::{
    CacheBody, Encoding, EndLeaseBody, FRONTEND_HEADER, LeadBody, LeaseBody, MembersBody,
    PROTOCOL_HEADER, SettlementsBody, TakesBody, ViewBody,
};
use crate::http::connection::Url;

/// Toys or orders on a page, where nobody says how many.
const LIMIT_DEFAULT: u32 = 100;

/// A request as far as it is needed to understand it.
pub struct Asked<'a> {
    /// Who is asked.
    pub role: Role,
    /// What for.
    pub endpoint: Endpoint,
    /// The open segment of the path, percent-encoded.
    pub argument: &'a str,
    /// Query and headers.
    pub head: &'a Head,
    /// How the body is written.
    pub encoding: Encoding,
    /// The body.
    pub body: &'a [u8],
}

fn bad(what: impl Into<String>) -> Problem {
    Problem::Bad(what.into())
}

/// What the node is asked.
pub struct Message {
    /// All that it can be asked.
    pub request: Request,
    /// Items of an array of orders that are none, each with its place: the others are bought.
    pub refused: Vec<(usize, Problem)>,
}

/// The message. `None` for what the node itself is not asked (health, status …).
///
/// # Errors
/// [`Problem::Bad`], mostly.
pub fn read(asked: &Asked<'_>) -> Result<Option<Message>, Problem> {
    let request = match asked.endpoint {
        Endpoint::Product => product(asked)?,
        Endpoint::Products => products(asked)?,
        Endpoint::PlaceOrder => return place_order(asked).map(Some),
        Endpoint::Order => {
            let consistency = asked.consistency()?.unwrap_or_default();
            Request::ReadOrder { number: number(&asked.argument()?)?, consistency }
        }
        Endpoint::OrderLog => order_log(asked)?,
        Endpoint::Fate => Request::ReadFate { request_id: asked.request_id()? },
        Endpoint::Resolve => Request::ResolveFate { request_id: asked.request_id()? },
        Endpoint::InvalidateOne => Request::Invalidate { names: vec![asked.name()?] },
        Endpoint::Invalidate => match asked.decode()? {
            CacheBody::Names(names) => Request::Invalidate { names },
            CacheBody::Catalog(catalog) => Request::DropCache { catalog },
        },
        Endpoint::View => {
            let ViewBody { view, previous, unclean } = asked.decode()?;
            Request::PutView { view, previous, unclean }
        }
        Endpoint::Takes => {
            let TakesBody { term, floor, items } = asked.decode()?;
            Request::Take { term, floor, items }
        }
        Endpoint::Settlements => {
            let SettlementsBody { term, takes } = asked.decode()?;
            Request::Settle { term, takes }
        }
        Endpoint::RenewLease => {
            let LeaseBody { url, incarnation } = asked.decode()?;
            // It is kept for good; one that leads nowhere would be.
            url.parse::<Url>().map_err(bad)?;
            Request::RenewLease { frontend: asked.frontend()?, url, incarnation }
        }
        Endpoint::EndLease => {
            let EndLeaseBody { incarnation } = asked.decode()?;
            Request::EndLease { frontend: asked.frontend()?, incarnation }
        }
        Endpoint::ReadLeader => Request::ReadLeader,
        Endpoint::Lead => {
            let LeadBody { leader, term } = asked.decode()?;
            Request::Lead { leader, after: term }
        }
        Endpoint::Missed => {
            Request::ReadMissed { after: Index(asked.whole("after")?.unwrap_or_default()) }
        }
        Endpoint::Digest => Request::ReadDigest { upto: asked.whole("upto")? },
        Endpoint::ReadMembers => Request::ReadMembers,
        Endpoint::Members => {
            let members: MembersBody = asked.decode()?;
            Request::ChangeMembers(members.change().map_err(bad)?)
        }
        Endpoint::Log
        | Endpoint::Snapshot
        | Endpoint::Live
        | Endpoint::Ready
        | Endpoint::Status
        | Endpoint::Metrics
        | Endpoint::Events
        | Endpoint::Messages
        | Endpoint::Faults
        | Endpoint::OpenApi
        | Endpoint::SeedLeader => return Ok(None),
    };
    Ok(Some(Message { request, refused: Vec::new() }))
}

fn products(asked: &Asked<'_>) -> Result<Request, Problem> {
    let after = asked.query("after")?.map(|text| text.parse().map_err(bad)).transpose()?;
    let (limit, consistency) = (asked.limit()?, asked.consistency()?.unwrap_or_default());
    Ok(Request::ListProducts { after, limit, consistency })
}

fn order_log(asked: &Asked<'_>) -> Result<Request, Problem> {
    let after = asked.query("after")?.map(|text| number(&text)).transpose()?;
    // A replica shows its own log, unless more is asked of it.
    let consistency = asked.consistency()?.unwrap_or(Consistency::Local);
    Ok(Request::ListOrders { after, limit: asked.limit()?, consistency })
}

impl Asked<'_> {
    fn argument(&self) -> Result<String, Problem> {
        decode_text(self.argument)
    }

    fn name(&self) -> Result<ToyName, Problem> {
        self.argument()?.parse().map_err(bad)
    }

    fn frontend(&self) -> Result<u8, Problem> {
        let text = self.argument()?;
        match text.parse() {
            Ok(0) | Err(_) => Err(bad(format!("{text:?} is no frontend: expected 1 to 255"))),
            Ok(frontend) => Ok(frontend),
        }
    }

    fn request_id(&self) -> Result<RequestId, Problem> {
        let key = self.argument()?;
        let between_services = self.head.header(PROTOCOL_HEADER).is_some();
        if !between_services {
            return RequestId::from_key(&key).map_err(bad);
        }
        let hash = u128::from_str_radix(&key, 16);
        hash.map(RequestId).map_err(|_| bad(format!("{key:?} is no hash of a key")))
    }

    fn idempotency_key(&self) -> Result<Option<RequestId>, Problem> {
        let Some(key) = self.head.header("idempotency-key") else { return Ok(None) };
        let key = std::str::from_utf8(key).unwrap_or_default();
        RequestId::from_key(key).map(Some).map_err(bad)
    }

    fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, Problem> {
        self.encoding.decode(self.body).map_err(bad)
    }

    /// A value of the query, decoded; one that is given twice says nothing.
    fn query(&self, name: &str) -> Result<Option<String>, Problem> {
        let pairs = self.head.query().split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() {
            return Err(bad(format!("{name} stands twice in the query: expected once")));
        }
        value.map(|value| decode_text(&value.replace('+', " "))).transpose()
    }

    /// A value of the query that is a whole number, from 0 on.
    ///
    /// # Errors
    /// If it is another, or stands there twice.
    pub fn whole(&self, name: &str) -> Result<Option<u64>, Problem> {
        let whole = |text: String| {
            text.parse().map_err(|_| bad(format!("{name}={text} is no whole number from 0 on")))
        };
        self.query(name)?.map(whole).transpose()
    }

    /// How fresh the answer must be, if it is said.
    fn consistency(&self) -> Result<Option<Consistency>, Problem> {
        self.query("consistency")?.map(|text| text.parse().map_err(bad)).transpose()
    }

    fn limit(&self) -> Result<u32, Problem> {
        let Some(text) = self.query("limit")? else { return Ok(LIMIT_DEFAULT) };
        let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        // More than there will ever be is as much as there is.
        match text.parse().unwrap_or(if digits { u32::MAX } else { 0 }) {
            0 => Err(bad(format!("limit={text} is no limit: expected a whole number from 1 on"))),
            limit => Ok(limit),
        }
    }
}

/// Percent-decodes a segment of a path or a value of a query.
pub fn decode_text(text: &str) -> Result<String, Problem> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| bad("the path is not UTF-8 when decoded"))
}

fn number(text: &str) -> Result<OrderNumber, Problem> {
    let wrong = || bad(format!("{text:?} is no order number: expected a whole number from 0 on"));
    // `+1` would be read by parse().
    if !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse().map(OrderNumber).map_err(|_| wrong())
}

fn product(asked: &Asked<'_>) -> Result<Request, Problem> {
    let (name, consistency) = (asked.name()?, asked.consistency()?.unwrap_or_default());
    match asked.role {
        Role::Frontend | Role::SeedFrontend => Ok(Request::ReadProduct { name, consistency }),
        Role::Catalog | Role::Order => {
            let holder = asked.head.header(FRONTEND_HEADER).map(|value| {
                let holder = std::str::from_utf8(value).ok().and_then(holder);
                holder.ok_or_else(|| {
                    bad("X-Frontend: expected NUMBER CATALOG.COUNT, its lease's generation")
                })
            });
            Ok(Request::Fill { name, holder: holder.transpose()?, consistency })
        }
    }
}

fn holder(text: &str) -> Option<LeaseHolder> {
    let (frontend, generation) = text.split_once(' ')?;
    let (catalog, count) = generation.split_once('.')?;
    let generation = Generation { catalog: catalog.parse().ok()?, count: count.parse().ok()? };
    let frontend = frontend.parse().ok().filter(|frontend| *frontend > 0)?;
    Some(LeaseHolder { frontend, generation })
}

fn place_order(asked: &Asked<'_>) -> Result<Message, Problem> {
    let mut refused = Vec::new();
    if asked.encoding == Encoding::Postcard {
        return Ok(Message { request: Request::PlaceOrders(asked.decode()?), refused });
    }
    if let Some(order) = plain_order(asked) {
        return Ok(Message { request: Request::PlaceOrder(order), refused });
    }
    let value: Value = Encoding::Json.decode(asked.body).map_err(bad)?;
    let request = match (value, asked.role) {
        (Value::Array(items), Role::Order) => {
            // Passed over, it would not make a retry harmless, as whoever sent it believes.
            if asked.idempotency_key()?.is_some() {
                return Err(bad("an Idempotency-Key is one order's: in an array, each order may \
                                bring its own as idempotency_key"));
            }
            let mut orders = Vec::with_capacity(items.len());
            for (place, item) in items.iter().enumerate() {
                match order(asked, item, None) {
                    Ok(order) => orders.push(order),
                    Err(problem) => refused.push((place, problem)),
                }
            }
            Request::PlaceOrders(orders)
        }
        (value, _) => {
            let key = asked.idempotency_key()?;
            Request::PlaceOrder(order(asked, &value, key)?)
        }
    };
    Ok(Message { request, refused })
}

/// An order that is as it should be, as most are. Whatever is not is read again as a value, which
/// can say what is wrong with it.
fn plain_order(asked: &Asked<'_>) -> Option<NewOrder> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plain<'a> {
        #[serde(borrow)]
        name: &'a str,
        quantity: i64,
    }
    if asked.role == Role::SeedFrontend {
        return None;
    }
    let Plain { name, quantity } = serde_json::from_slice(asked.body).ok()?;
    let request_id = asked.idempotency_key().ok()?.unwrap_or_else(|| RequestId(rand::random()));
    let (name, quantity) = (name.parse().ok()?, Quantity::new(quantity).ok()?);
    Some(NewOrder { request_id, name, quantity })
}

/// `{"name":"Tux","quantity":1}`; in the original project's dialect `qty`. In an array each item
/// may bring its own `idempotency_key`.
fn order(
    asked: &Asked<'_>,
    value: &Value,
    request_id: Option<RequestId>,
) -> Result<NewOrder, Problem> {
    let field = match asked.role {
        Role::SeedFrontend => "qty",
        Role::Frontend | Role::Order | Role::Catalog => "quantity",
    };
    let Some(fields) = value.as_object() else {
        let example = format!("{{\"name\":\"Tux\",\"{field}\":1}}");
        return Err(bad(format!("an order is an object such as {example}, not {value}")));
    };
    let name = match fields.get("name") {
        Some(Value::String(name)) => name.parse().map_err(bad)?,
        Some(other) => return Err(bad(format!("name must be a string, not {other}"))),
        None => return Err(bad("name is missing: expected a toy's name")),
    };
    let range = "a whole number from 1 to 1000000";
    let quantity = match fields.get(field) {
        // What the original project says of more than it will ever have in stock.
        Some(Value::Number(number))
            if asked.role == Role::SeedFrontend
                && number.as_u64().is_some_and(|number| number > u64::from(Quantity::MAX)) =>
        {
            return Err(Problem::InsufficientStock { version: Version(0), index: 0 });
        }
        Some(Value::Number(number)) => {
            let whole = number
                .as_i64()
                .ok_or_else(|| bad(format!("{field} must be {range}, not {number}")))?;
            Quantity::new(whole)
                .map_err(|_| bad(format!("{field} must be {range}, not {whole}")))?
        }
        Some(other) => return Err(bad(format!("{field} must be {range}, not {other}"))),
        None => return Err(bad(format!("{field} is missing: expected {range}"))),
    };
    let own = match fields.get("idempotency_key") {
        Some(Value::String(key)) if asked.role == Role::Order => {
            Some(RequestId::from_key(key).map_err(bad)?)
        }
        // It would not make a retry harmless, as whoever sent it believes.
        Some(other) if asked.role == Role::Order => {
            return Err(bad(format!("idempotency_key must be a string, not {other}")));
        }
        Some(_) | None => None,
    };
    // Without a key a retry of the client is an order of its own; our own retries are not.
    let request_id = request_id.or(own).unwrap_or_else(|| RequestId(rand::random()));
    Ok(NewOrder { request_id, name, quantity })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(endpoint: Endpoint, argument: &str, query: &str, body: &str, expected: &str) {
        check_as(Role::Frontend, endpoint, argument, query, body, expected);
    }

    fn check_as(
        role: Role,
        endpoint: Endpoint,
        argument: &str,
        query: &str,
        body: &str,
        expected: &str,
    ) {
        let key = if role == Role::Order { "" } else { "Idempotency-Key: k\r\n" };
        let head = format!("GET /?{query} HTTP/1.1\r\nHost: x\r\n{key}\r\n");
        check_head(role, endpoint, argument, &head, body, expected);
    }

    fn check_head(
        role: Role,
        endpoint: Endpoint,
        argument: &str,
        text: &str,
        body: &str,
        expected: &str,
    ) {
        let mut head = Head::new();
        head.read(text.as_bytes()).unwrap().unwrap();
        let (head, body, encoding) = (&head, body.as_bytes(), Encoding::Json);
        let asked = Asked { role, endpoint, argument, head, encoding, body };
        let shown = match read(&asked) {
            Ok(Some(Message { request, refused })) => refused
                .iter()
                .fold(request.to_string(), |text, (at, why)| format!("{text}; {at}: {why}")),
            Ok(None) => "nothing".to_string(),
            Err(problem) => problem.to_string(),
        };
        assert!(shown.contains(expected), "{shown:?} does not say {expected:?}");
    }

    #[test]
    fn orders_are_read_and_refused_with_what_was_expected() {
        let order = |body: &str, expected| check(Endpoint::PlaceOrder, "", "", body, expected);
        order(r#"{"name":"Tux","quantity":2}"#, "order Tuxx2:");
        order(r#"{"quantity":2,"name":"Tux","more":1}"#, "order Tuxx2:");
        order("", "400 bad JSON: EOF while parsing a value at line 1 column 0");
        order("{", "400 bad JSON: EOF");
        order("[]", "400 an order is an object such as");
        order("7", "400 an order is an object such as");
        order(r#"{"quantity":2}"#, "400 name is missing");
        order(r#"{"name":7,"quantity":2}"#, "400 name must be a string, not 7");
        order(r#"{"name":"","quantity":2}"#, "400 a toy's name has 1 to 64 characters");
        order(r#"{"name":"Tux"}"#, "400 quantity is missing: expected a whole number from 1");
        for wrong in ["0", "-1", "1.5", "1e9", "1000001", "\"2\"", "null", "18446744073709551615"] {
            let body = format!(r#"{{"name":"Tux","quantity":{wrong}}}"#);
            order(&body, "400 quantity must be a whole number from 1 to 1000000, not ");
        }
        let body = r#"{"name":"tux","qty":2}"#;
        check_as(Role::SeedFrontend, Endpoint::PlaceOrder, "", "", body, "order tuxx2:");
        let body = r#"{"name":"tux","qty":99999999999}"#;
        check_as(Role::SeedFrontend, Endpoint::PlaceOrder, "", "", body, "400 insufficient stock");
        let (head, body) = ("POST / HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\r\n", "[]");
        let words = "400 an Idempotency-Key is one order's: in an array, each order may bring its \
                     own as idempotency_key";
        check_head(Role::Order, Endpoint::PlaceOrder, "", head, body, words);
        let body = r#"{"name":"tux","quantity":2,"idempotency_key":7}"#;
        let words = "400 idempotency_key must be a string, not 7";
        check_as(Role::Order, Endpoint::PlaceOrder, "", "", body, words);
        let body = r#"[{"name":"tux","quantity":2},{"name":"fox","quantity":1}]"#;
        check_as(Role::Order, Endpoint::PlaceOrder, "", "", body, "orders [tuxx2:");
        let body = r#"[7,{"name":"fox","quantity":1},{"name":"tux"}]"#;
        check_as(Role::Order, Endpoint::PlaceOrder, "", "", body, "orders [foxx1:");
        check_as(Role::Order, Endpoint::PlaceOrder, "", "", body, "; 0: 400 an order is an object");
        check_as(Role::Order, Endpoint::PlaceOrder, "", "", body, "; 2: 400 quantity is missing");
    }

    #[test]
    fn names_numbers_and_pages() {
        check(Endpoint::Product, "Rubik%27s%20Cube", "", "", "read Rubik's Cube");
        check(Endpoint::Product, "%FF", "", "", "400 the path is not UTF-8");
        check(Endpoint::Product, &"x".repeat(10_000), "", "", "400 a toy's name has 1 to 64");
        check(Endpoint::Order, "12", "", "", "read-order 12");
        for wrong in ["-1", "+1", "1.5", "x", "99999999999999999999999"] {
            check(Endpoint::Order, wrong, "", "", "is no order number");
        }
        check(Endpoint::Products, "", "after=Tux&limit=3", "", "products after=Tux limit=3");
        let (most, more) = (u32::MAX, "limit=99999999999999999999");
        check(Endpoint::Products, "", more, "", &format!("products limit={most}"));
        check(Endpoint::Products, "", "limit=0", "", "400 limit=0 is no limit");
        check(Endpoint::Products, "", "limit=many", "", "400 limit=many is no limit");
        let level = "consistency=local";
        check(Endpoint::Product, "Tux", level, "", "read Tux local");
        check(Endpoint::Products, "", level, "", "products limit=100 local");
        check(Endpoint::Order, "12", "x=1&consistency=leader", "", "read-order 12 leader");
        check(Endpoint::OrderLog, "", "", "", "list-orders limit=100 local");
        check(Endpoint::OrderLog, "", "consistency=linearizable", "", "list-orders limit=100");
        for endpoint in [Endpoint::Product, Endpoint::Products, Endpoint::Order] {
            let wrong = "400 consistency=strong is none: expected linearizable, leader or local";
            check(endpoint, "1", "consistency=strong", "", wrong);
        }
        let fill = |frontend: &str, expected: &str| {
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Frontend: {frontend}\r\n\r\n");
            check_head(Role::Catalog, Endpoint::Product, "Tux", &head, "", expected);
        };
        fill("3 1.2", "fill Tux");
        fill("0 1.2", "400 X-Frontend: expected NUMBER");
        check(Endpoint::Fate, "key", "", "", "fate ");
        check(Endpoint::Fate, "a%20b", "", "", "1 to 128 visible ASCII");
    }
}
