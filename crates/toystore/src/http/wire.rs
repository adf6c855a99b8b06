//! How our own services speak to each other: the endpoints that people use too, with postcard in
//! the place of JSON, chosen by content type. One set of message types, two encodings.
//!
//! [`to_http`] and [`from_http`] are the asking side (`peer`); [`Encoding`] is what the answering
//! side reads and writes by. What a path or a query can say, it says; what is a body, is a body.
//! One thing differs in a path: between services a request's key stands as its hash.

use std::collections::VecDeque;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use replication::engine::Message;
use replication::members::Change;
use replication::{NodeId, Term, View};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shop::message::{Consistency, Request, Response, Settled, TakeItem};
use shop::node::Address;
use shop::toy::ToyName;

use crate::http::connection::{Ask, Said, Url};

/// The content type of postcard.
pub const POSTCARD: &str = "application/x-postcard";

/// The major version of what services say to each other; another one is refused.
pub const PROTOCOL: &str = "2";

/// Where the sender of a `POST /log` is reached: one that came by a change may lead before all know
/// of that.
pub const HOME_HEADER: &str = "toystore-home";

/// The header that carries [`PROTOCOL`].
pub const PROTOCOL_HEADER: &str = "toystore-protocol";

/// Which frontend will cache the answer, and under which lease: `1 3.17`, number and generation.
pub const FRONTEND_HEADER: &str = "x-frontend";

/// The most bytes of one batch of replication messages: half of what a body may have.
const LOG_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Headers of a call: those of [`sign`], and two that some calls have.
const HEADERS: usize = 5;

/// Unreserved characters (RFC 3986 §2.3) stay as they are.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes one segment of a path, or one value of a query.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// `PUT /leader`.
#[derive(Debug, Serialize, Deserialize)]
pub struct LeadBody {
    /// Who should lead.
    pub leader: NodeId,
    /// The last term that is known to have failed.
    pub term: Term,
}

/// `PUT /view`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ViewBody {
    /// The new view.
    pub view: View,
    /// The term of the view that it replaces.
    pub previous: Term,
    /// Grant it even to a replica that is not in sync.
    pub unclean: bool,
}

/// `POST /takes`.
#[derive(Debug, Serialize, Deserialize)]
pub struct TakesBody {
    /// The leader's term.
    pub term: Term,
    /// All takes of this term below this number are recorded.
    pub floor: u64,
    /// Numbers rise.
    pub items: Vec<TakeItem>,
}

/// `POST /settlements`.
#[derive(Debug, Serialize, Deserialize)]
pub struct SettlementsBody {
    /// The leader's term.
    pub term: Term,
    /// What became of each.
    pub takes: Vec<Settled>,
}

/// `PUT /frontends/{id}/lease`.
#[derive(Debug, Serialize, Deserialize)]
pub struct LeaseBody {
    /// Where the catalog reaches the frontend.
    pub url: String,
    /// Which process of it.
    pub incarnation: u64,
}

/// `DELETE /frontends/{id}/lease`.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndLeaseBody {
    /// Which process of it.
    pub incarnation: u64,
}

/// `DELETE /cache`.
#[derive(Debug, Serialize, Deserialize)]
pub enum CacheBody {
    /// These toys changed.
    #[serde(rename = "names")]
    Names(Vec<ToyName>),
    /// Everything goes, and leases of catalog incarnations below this one.
    #[serde(rename = "catalog")]
    Catalog(u64),
}

/// `POST /members`: `{"add":4,"url":"http://…"}`, `{"remove":2}` or
/// `{"replace":2,"by":4,"url":"http://…"}`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MembersBody {
    /// One more.
    pub add: Option<NodeId>,
    /// One less.
    pub remove: Option<NodeId>,
    /// One whose place another takes.
    pub replace: Option<NodeId>,
    /// That other one.
    pub by: Option<NodeId>,
    /// Where the one that comes is reached.
    pub url: Option<String>,
}

impl MembersBody {
    /// # Errors
    /// If it is none of the three, or no address.
    pub fn change(self) -> Result<Change, String> {
        let url = match &self.url {
            // It is kept for good; one that leads nowhere would be.
            Some(url) => url.parse::<Url>().map(|_| Bytes::from(url.clone()))?,
            None => Bytes::new(),
        };
        match (self.add, self.remove, self.replace, self.by, self.url) {
            (Some(id), None, None, None, Some(_)) => Ok(Change::Add { id, url }),
            (None, Some(id), None, None, None) => Ok(Change::Remove { id }),
            (None, None, Some(id), Some(by), Some(_)) => Ok(Change::Replace { id, by, url }),
            _ => Err("expected {\"add\":4,\"url\":\"http://…\"}, {\"remove\":2} or \
                      {\"replace\":2,\"by\":4,\"url\":\"http://…\"}"
                .to_string()),
        }
    }
}

impl From<&Change> for MembersBody {
    fn from(change: &Change) -> MembersBody {
        let text = |url: &Bytes| Some(String::from_utf8_lossy(url).into_owned());
        let none = MembersBody::default();
        match change {
            Change::Add { id, url } => MembersBody { add: Some(*id), url: text(url), ..none },
            Change::Remove { id } => MembersBody { remove: Some(*id), ..none },
            Change::Replace { id, by, url } => {
                MembersBody { replace: Some(*id), by: Some(*by), url: text(url), ..none }
            }
        }
    }
}

/// `POST /log`.
#[derive(Debug, Serialize, Deserialize)]
pub struct LogBody {
    /// Which replica sends.
    pub from: NodeId,
    /// What it says, in this order.
    pub messages: Vec<Message>,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// For people.
    Json,
    /// Between our own services.
    Postcard,
}

impl Encoding {
    /// Reads a body.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, String> {
        match self {
            Encoding::Json => {
                serde_json::from_slice(body).map_err(|error| format!("bad JSON: {error}"))
            }
            Encoding::Postcard => {
                postcard::from_bytes(body).map_err(|error| format!("bad postcard: {error}"))
            }
        }
    }
}

/// The HTTP request for a message.
pub fn to_http(request: &Request, token: &str) -> Ask {
    let ask = match request {
        Request::ReadProduct { name, consistency } => {
            Ask::get(format!("/products/{}{}", segment(name.key()), level("?", *consistency)))
        }
        Request::Fill { name, holder, consistency } => {
            let level = level("?", *consistency);
            let ask = Ask::get(format!("/products/{}{level}", segment(name.spelling())));
            match holder {
                Some(holder) => {
                    let generation = holder.generation;
                    let (catalog, count) = (generation.catalog, generation.count);
                    ask.with(FRONTEND_HEADER, format!("{} {catalog}.{count}", holder.frontend))
                }
                None => ask,
            }
        }
        Request::ListProducts { after, limit, consistency } => {
            let after = after.as_ref().map(|name| segment(name.spelling()));
            page("/products", after, *limit, &level("&", *consistency))
        }
        Request::PlaceOrder(order) => body(Method::POST, "/orders", &vec![order]),
        Request::PlaceOrders(orders) => body(Method::POST, "/orders", orders),
        Request::ReadOrder { number, consistency } => {
            Ask::get(format!("/orders/{number}{}", level("?", *consistency)))
        }
        Request::ReadFate { request_id } => Ask::get(format!("/requests/{:032x}", request_id.0)),
        Request::ResolveFate { request_id } => {
            body(Method::POST, &format!("/requests/{:032x}/resolve", request_id.0), &())
        }
        Request::ReadLeader => Ask::get("/leader"),
        Request::Lead { leader, after } => {
            body(Method::PUT, "/leader", &LeadBody { leader: *leader, term: *after })
        }
        Request::PutView { view, previous, unclean } => {
            let (view, previous, unclean) = (view.clone(), *previous, *unclean);
            body(Method::PUT, "/view", &ViewBody { view, previous, unclean })
        }
        Request::Take { term, floor, items } => body(Method::POST, "/takes", &(term, floor, items)),
        Request::Settle { term, takes } => body(Method::POST, "/settlements", &(term, takes)),
        Request::RenewLease { frontend, url, incarnation } => {
            let path = format!("/frontends/{frontend}/lease");
            let lease = LeaseBody { url: url.clone(), incarnation: *incarnation };
            body(Method::PUT, &path, &lease)
        }
        Request::EndLease { frontend, incarnation } => {
            let path = format!("/frontends/{frontend}/lease");
            body(Method::DELETE, &path, &EndLeaseBody { incarnation: *incarnation })
        }
        Request::Invalidate { names } => {
            body(Method::DELETE, "/cache", &CacheBody::Names(names.clone()))
        }
        Request::DropCache { catalog } => {
            body(Method::DELETE, "/cache", &CacheBody::Catalog(*catalog))
        }
        Request::ListOrders { after, limit, consistency } => {
            // Here no level means `local`.
            let level = format!("&consistency={consistency}");
            page("/orders", after.map(|number| number.to_string()), *limit, &level)
        }
        Request::ReadDigest { upto: None } => Ask::get("/digest"),
        Request::ReadDigest { upto: Some(upto) } => Ask::get(format!("/digest?upto={upto}")),
        Request::ReadMissed { after } => Ask::get(format!("/log/missed?after={after}")),
        Request::ReadMembers => Ask::get("/members"),
        Request::ChangeMembers(change) => {
            body(Method::POST, "/members", &MembersBody::from(change))
        }
    };
    sign(ask, token)
}

fn page(path: &str, after: Option<String>, limit: u32, level: &str) -> Ask {
    let after = after.map_or_else(String::new, |after| format!("after={after}&"));
    Ask::get(format!("{path}?{after}limit={limit}{level}"))
}

/// The level as a part of a query; nothing, if it is the default.
fn level(before: &str, consistency: Consistency) -> String {
    match consistency {
        Consistency::Linearizable => String::new(),
        Consistency::Leader | Consistency::Local => format!("{before}consistency={consistency}"),
    }
}

fn body(method: Method, path: &str, body: &impl Serialize) -> Ask {
    let body = postcard::to_stdvec(body).expect("our types have nothing unknown to postcard");
    let content_type = Some(HeaderValue::from_static(POSTCARD));
    Ask { method, path: path.to_string(), body: body.into(), content_type, ..Ask::default() }
}

fn sign(mut ask: Ask, token: &str) -> Ask {
    // Names that are known need not be read as such for each call.
    const NAME: HeaderName = HeaderName::from_static(PROTOCOL_HEADER);
    ask.headers.reserve(HEADERS);
    ask.headers.push((ACCEPT, POSTCARD.into()));
    ask.headers.push((NAME, PROTOCOL.into()));
    ask.headers.push((AUTHORIZATION, format!("Bearer {token}").into()));
    ask
}

/// The message in an HTTP answer.
///
/// # Errors
/// If it is not one: says what it is instead.
pub fn from_http(said: &Said) -> Result<Response, String> {
    let content_type = said.headers.get("content-type");
    if content_type.is_none_or(|value| value.as_bytes() != POSTCARD.as_bytes()) {
        return Err(format!("{} {}", said.status, said.message()));
    }
    Encoding::Postcard.decode(&said.body)
}

/// A `POST /log` with as many messages as fit into one, from the front of the queue; each is shown.
pub fn log_batch(
    me: Address,
    messages: &mut VecDeque<Message>,
    token: &str,
    show: impl FnMut(&Message),
) -> Ask {
    let body = log_body(me, messages, show);
    let content_type = Some(HeaderValue::from_static(POSTCARD));
    let ask =
        Ask { method: Method::POST, path: "/log".into(), body, content_type, ..Ask::default() };
    sign(ask, token)
}

/// A [`LogBody`] with as many messages as fit, from the front of the queue; each is shown. Encoded
/// piece by piece, to know when it is full.
pub fn log_body(
    me: Address,
    messages: &mut VecDeque<Message>,
    mut show: impl FnMut(&Message),
) -> Bytes {
    let from = match me {
        Address::Order(id) | Address::Catalog(id) => id,
        Address::Frontend(_) => NodeId::NONE,
    };
    let mut encoded: Vec<u8> = Vec::new();
    let mut count: usize = 0;
    while let Some(message) = messages.front() {
        let before = encoded.len();
        encoded = postcard::to_extend(message, encoded)
            .expect("our types have nothing unknown to postcard");
        if count > 0 && encoded.len() > LOG_BATCH_BYTES_MAX {
            encoded.truncate(before);
            break;
        }
        show(message);
        count += 1;
        messages.pop_front();
    }
    let head = postcard::to_stdvec(&(from, count)).expect("two numbers can be written");
    Bytes::from([head, encoded].concat())
}

/// The messages that rode home with the answer to a `POST /log`.
///
/// # Errors
/// If it was refused, or is not understood.
pub fn log_answer(said: &Said) -> Result<Vec<Message>, String> {
    match said.status {
        204 => Ok(Vec::new()),
        200 => Encoding::Postcard.decode(&said.body).map(|LogBody { messages, .. }| messages),
        status => Err(format!("{status} {}", said.message())),
    }
}
