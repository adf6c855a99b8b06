//! A port: from a request's bytes to a message for the node behind it, or to a refusal.
//!
//! What [`super::site`] knows of a request before it asks the node, and without any node, so that
//! [`Port::read`] can be given whatever bytes there are. Pure. Called by [`super::site`]; calls
//! `head`, [`super::endpoint`], `incoming` and `request`.

use hyper::{Method, StatusCode};
use shop::message::{Reply, Request, Response};

use super::answer::{self, Answer};
use super::endpoint::{self, Endpoint, Found, Role};
use super::head::{Framing, Head};
use super::incoming::{self, BODY_BYTES_MAX_INTERNAL, BODY_BYTES_MAX_PUBLIC, Chunks, Refused};
use super::request::{self, Asked, Message};
use super::wire::{self, Encoding};
use super::{lab, seed};

/// Who serves what to whom.
pub struct Port {
    role: Role,
    /// `order-1`.
    name: String,
    /// `Bearer …`.
    authorization: Vec<u8>,
}

/// Where a request goes.
pub struct Route<'a> {
    /// What for.
    pub endpoint: Endpoint,
    /// Its path, with `{}` for the open segment.
    pub path: &'static str,
    /// The open segment of its path.
    pub argument: &'a str,
    /// How its body is written.
    pub encoding: Encoding,
    /// How long its body may be.
    pub body_bytes_max: usize,
}

/// What a port makes of bytes.
#[derive(Debug)]
pub enum Understood {
    /// It would wait for more.
    Half,
    /// The node is asked this.
    Asked(Request),
    /// It is answered without asking the node.
    Own,
    /// Refused: the whole answer, as it is written.
    Refused(Vec<u8>),
}

impl Port {
    /// A port of the node `name`, for those who know `token` where an endpoint is internal.
    pub fn new(role: Role, name: String, token: &str) -> Port {
        Port { role, name, authorization: format!("Bearer {token}").into_bytes() }
    }

    /// What it serves.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The name of its node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All that can be said of a request without its body.
    pub(super) fn look_up<'a>(&self, head: &'a Head) -> Result<Route<'a>, Answer> {
        let found = endpoint::find(self.role, head.method(), head.path());
        let (endpoint, path, argument, token) = match found {
            Found::Endpoint { endpoint, path, argument, token } => {
                (endpoint, path, argument, token)
            }
            Found::OtherMethods(methods) => return Err(not_allowed(head.method(), &methods)),
            Found::Nothing => {
                let what = format!("{} serves nothing at {}", self.name, head.path());
                return Err(answer::error(StatusCode::NOT_FOUND, &what));
            }
        };
        if token && let Some(refused) = self.check_token(head) {
            return Err(refused);
        }
        let encoding =
            incoming::check_head(head).map_err(|(status, why)| answer::error(status, &why))?;
        let between_services = self.role == Role::Order && encoding == Encoding::Postcard;
        let body_bytes_max =
            if token || between_services { BODY_BYTES_MAX_INTERNAL } else { BODY_BYTES_MAX_PUBLIC };
        let argument = argument.unwrap_or("");
        Ok(Route { endpoint, path, argument, encoding, body_bytes_max })
    }

    /// Whether a node asks: who knows the token.
    pub(super) fn is_node(&self, head: &Head) -> bool {
        head.header("authorization").is_some_and(|it| incoming::equal(it, &self.authorization))
    }

    fn check_token(&self, head: &Head) -> Option<Answer> {
        match head.header("authorization") {
            Some(_) if self.is_node(head) => None,
            Some(_) => Some(answer::error(StatusCode::FORBIDDEN, "wrong cluster token")),
            None => {
                let message = "this is internal: it needs Authorization: Bearer CLUSTER_TOKEN";
                Some(answer::error(StatusCode::UNAUTHORIZED, message))
            }
        }
    }

    /// What was asked, once the body is there.
    pub(super) fn asked<'a>(&self, route: &Route<'a>, head: &'a Head, body: &'a [u8]) -> Asked<'a> {
        let Route { endpoint, argument, encoding, .. } = *route;
        Asked { role: self.role, endpoint, argument, encoding, head, body }
    }

    /// What the node, or a refusal, says to whoever asked.
    pub(super) fn render(&self, asked: &Asked<'_>, response: &Response) -> Answer {
        if accepts_postcard(asked.head) {
            return answer::postcard(response);
        }
        let known = asked.head.header("if-none-match");
        match (self.role, response) {
            (Role::SeedFrontend, response) => seed::render(asked, response),
            (_, Ok(Reply::OrderLog { orders, from, .. })) if accepts_csv(asked.head) => {
                lab::order_log_csv(orders, from)
            }
            (role, Ok(reply)) => lab::reply(role, reply, known),
            (role, Err(problem)) => lab::problem_at(role, problem),
        }
    }

    /// Reads one request, as a connection does whose bytes come `step` at a time; without hits,
    /// deadlines and a node.
    pub fn read(&self, input: &[u8], step: usize) -> Understood {
        let (mut pieces, mut buffer) = (input.chunks(step.max(1)), Vec::new());
        let mut head = Head::new();
        loop {
            match head.read(&buffer) {
                Ok(Some(len)) => {
                    buffer.drain(..len);
                    break;
                }
                Ok(None) => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => return Understood::Half,
                },
                Err((status, why)) => return refused(None, answer::error(status, &why)),
            }
        }
        let route = match self.look_up(&head) {
            Ok(route) => route,
            Err(answer) => return refused(Some(&head), answer),
        };
        let asked = match body(&head, route.body_bytes_max, &mut buffer, &mut pieces) {
            Ok(Some(body)) => body,
            Ok(None) => return Understood::Half,
            Err((status, why)) => return refused(Some(&head), answer::error(status, &why)),
        };
        let asked = self.asked(&route, &head, &asked);
        match request::read(&asked) {
            Ok(Some(Message { request, .. })) => Understood::Asked(request),
            Ok(None) => Understood::Own,
            Err(problem) => refused(Some(&head), self.render(&asked, &Err(problem))),
        }
    }
}

/// The body that begins in `buffer`; `None` if it ends early.
fn body<'a>(
    head: &Head,
    limit: usize,
    buffer: &mut Vec<u8>,
    pieces: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Vec<u8>>, Refused> {
    let mut chunks = Chunks::default();
    loop {
        match head.framing() {
            Framing::Length(len) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                if len > limit {
                    return Err(incoming::too_large(limit));
                }
                if buffer.len() >= len {
                    return Ok(Some(buffer.drain(..len).collect()));
                }
            }
            Framing::Chunked => {
                let (len, body) = chunks.read(buffer, limit)?;
                buffer.drain(..len);
                if body.is_some() {
                    return Ok(body);
                }
            }
        }
        match pieces.next() {
            Some(piece) => buffer.extend_from_slice(piece),
            None => return Ok(None),
        }
    }
}

fn refused(asked: Option<&Head>, answer: Answer) -> Understood {
    let mut out = Vec::new();
    if let Some(answer::Body::Whole(body)) = answer.write(asked, &mut out) {
        out.extend_from_slice(&body);
    }
    Understood::Refused(out)
}

fn not_allowed(method: &Method, methods: &[Method]) -> Answer {
    let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("{method} is not allowed here, only {allowed}");
    let mut answer = answer::error(StatusCode::METHOD_NOT_ALLOWED, &message);
    answer.add("allow", allowed);
    answer
}

/// Whether another service asks.
pub(super) fn accepts_postcard(head: &Head) -> bool {
    head.header("accept") == Some(wire::POSTCARD.as_bytes())
}

fn accepts_csv(head: &Head) -> bool {
    head.header("accept").is_some_and(|accept| accept.starts_with(b"text/csv"))
}
