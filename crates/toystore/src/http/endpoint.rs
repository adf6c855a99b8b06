//! The table of every endpoint: method, path, who serves it, who may ask.
//!
//! Looked up by [`super::site`] for everything but a cache hit. A path that exists under another
//! method is told apart from one that does not exist.

use hyper::Method;

/// What a node is for, as far as HTTP is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A frontend's main port: the lab's dialect.
    Frontend,
    /// A frontend's other port: the original project's dialect.
    SeedFrontend,
    /// A replica of the order service.
    Order,
    /// The catalog.
    Catalog,
}

impl Role {
    /// As it stands in `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Frontend | Role::SeedFrontend => "frontend",
            Role::Order => "order",
            Role::Catalog => "catalog",
        }
    }
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// One toy.
    Product,
    /// A page of toys.
    Products,
    /// Place one order, or several.
    PlaceOrder,
    /// One order.
    Order,
    /// A page of the order log.
    OrderLog,
    /// What became of a request.
    Fate,
    /// Make that final.
    Resolve,
    /// Drop one toy from the cache.
    InvalidateOne,
    /// Drop some toys from the cache, or all.
    Invalidate,
    /// The view: compare-and-set.
    View,
    /// Takes.
    Takes,
    /// Settlements.
    Settlements,
    /// Ask for a lease, or renew it.
    RenewLease,
    /// End a lease.
    EndLease,
    /// Who leads.
    ReadLeader,
    /// Who shall lead.
    Lead,
    /// Replication messages.
    Log,
    /// Log entries after an index.
    Missed,
    /// The state that the log stands on.
    Snapshot,
    /// Who belongs to the group of replicas.
    ReadMembers,
    /// Who shall.
    Members,
    /// A hash of the order log.
    Digest,
    /// Is the process there?
    Live,
    /// Can it serve?
    Ready,
    /// Its whole public state.
    Status,
    /// The same for Prometheus.
    Metrics,
    /// The same as a stream.
    Events,
    /// A sample of the messages that pass.
    Messages,
    /// What this node's messages suffer, on purpose.
    Faults,
    /// The interface, as OpenAPI.
    OpenApi,
    /// The original project's: which port leads.
    SeedLeader,
}

struct Route {
    method: Method,
    /// `{}` stands for one segment of any text.
    path: &'static str,
    endpoint: Endpoint,
    /// Only for those who know the cluster token.
    token: bool,
}

const fn open(method: Method, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, endpoint, token: false }
}

const fn internal(method: Method, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, endpoint, token: true }
}

static COMMON: [Route; 7] = [
    open(Method::GET, "/health/live", Endpoint::Live),
    open(Method::GET, "/health/ready", Endpoint::Ready),
    open(Method::GET, "/status", Endpoint::Status),
    open(Method::GET, "/metrics", Endpoint::Metrics),
    open(Method::GET, "/events", Endpoint::Events),
    internal(Method::GET, "/messages", Endpoint::Messages),
    internal(Method::PUT, "/faults", Endpoint::Faults),
];

static FRONTEND: [Route; 9] = [
    open(Method::GET, "/products/{}", Endpoint::Product),
    open(Method::GET, "/products", Endpoint::Products),
    open(Method::POST, "/orders", Endpoint::PlaceOrder),
    open(Method::GET, "/orders/{}", Endpoint::Order),
    open(Method::GET, "/requests/{}", Endpoint::Fate),
    open(Method::POST, "/requests/{}/resolve", Endpoint::Resolve),
    internal(Method::DELETE, "/cache/{}", Endpoint::InvalidateOne),
    internal(Method::DELETE, "/cache", Endpoint::Invalidate),
    open(Method::GET, "/openapi.json", Endpoint::OpenApi),
];

static SEED_FRONTEND: [Route; 5] = [
    open(Method::GET, "/products/{}", Endpoint::Product),
    open(Method::POST, "/orders", Endpoint::PlaceOrder),
    open(Method::GET, "/orders/{}", Endpoint::Order),
    // Open, as in the original: to drop a toy from a cache harms nobody.
    open(Method::DELETE, "/delete/{}", Endpoint::InvalidateOne),
    open(Method::GET, "/send_leader_info", Endpoint::SeedLeader),
];

static CATALOG: [Route; 9] = [
    open(Method::GET, "/products/{}", Endpoint::Product),
    open(Method::GET, "/products", Endpoint::Products),
    internal(Method::PUT, "/view", Endpoint::View),
    internal(Method::POST, "/takes", Endpoint::Takes),
    internal(Method::POST, "/settlements", Endpoint::Settlements),
    internal(Method::PUT, "/frontends/{}/lease", Endpoint::RenewLease),
    internal(Method::DELETE, "/frontends/{}/lease", Endpoint::EndLease),
    internal(Method::POST, "/log", Endpoint::Log),
    open(Method::GET, "/openapi.json", Endpoint::OpenApi),
];

static ORDER: [Route; 14] = [
    open(Method::POST, "/orders", Endpoint::PlaceOrder),
    open(Method::GET, "/orders/{}", Endpoint::Order),
    open(Method::GET, "/orders", Endpoint::OrderLog),
    open(Method::GET, "/requests/{}", Endpoint::Fate),
    open(Method::POST, "/requests/{}/resolve", Endpoint::Resolve),
    internal(Method::GET, "/leader", Endpoint::ReadLeader),
    internal(Method::PUT, "/leader", Endpoint::Lead),
    internal(Method::POST, "/log", Endpoint::Log),
    internal(Method::GET, "/log/missed", Endpoint::Missed),
    internal(Method::GET, "/snapshot", Endpoint::Snapshot),
    internal(Method::GET, "/members", Endpoint::ReadMembers),
    internal(Method::POST, "/members", Endpoint::Members),
    internal(Method::GET, "/digest", Endpoint::Digest),
    open(Method::GET, "/openapi.json", Endpoint::OpenApi),
];

fn routes(role: Role) -> impl Iterator<Item = &'static Route> {
    let own: &'static [Route] = match role {
        Role::Frontend => &FRONTEND,
        Role::SeedFrontend => &SEED_FRONTEND,
        Role::Order => &ORDER,
        Role::Catalog => &CATALOG,
    };
    own.iter().chain(&COMMON)
}

/// Everything that is asked: method, path with `{}`, endpoint.
pub fn all(role: Role) -> impl Iterator<Item = (&'static Method, &'static str, Endpoint)> {
    routes(role).map(|route| (&route.method, route.path, route.endpoint))
}

/// What people ask: method, path with `{}`, endpoint. For faults they need the token too.
pub fn public(role: Role) -> impl Iterator<Item = (&'static Method, &'static str, Endpoint)> {
    let public = routes(role).filter(|route| !route.token || route.endpoint == Endpoint::Faults);
    public.map(|route| (&route.method, route.path, route.endpoint))
}

/// What a method and a path mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// This endpoint, with the text of the open segment, still percent-encoded.
    Endpoint {
        /// Which.
        endpoint: Endpoint,
        /// Its path, with `{}`.
        path: &'static str,
        /// What stands in the place of `{}`.
        argument: Option<&'a str>,
        /// Whether the cluster token is needed.
        token: bool,
    },
    /// The path exists, but not under this method: those it exists under.
    OtherMethods(Vec<Method>),
    /// No such path.
    Nothing,
}

/// Looks a method and a path up. `HEAD` is `GET` without a body; a slash at the end is ignored.
pub fn find<'a>(role: Role, method: &Method, path: &'a str) -> Found<'a> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let mut others = Vec::new();
    for route in routes(role) {
        let Some(argument) = fits(route.path, path) else { continue };
        if route.method == *wanted {
            let Route { endpoint, path, token, .. } = *route;
            return Found::Endpoint { endpoint, path, argument, token };
        }
        others.push(route.method.clone());
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

/// `Some(argument)` if the path fits. Most patterns differ from it after some bytes, so that none
/// is searched for its argument before.
fn fits<'a>(pattern: &str, path: &'a str) -> Option<Option<&'a str>> {
    let both = pattern.bytes().zip(path.bytes());
    let same = both.take_while(|(wanted, byte)| wanted == byte && *wanted != b'{').count();
    if same == pattern.len() {
        return (path.len() == same).then_some(None);
    }
    let after = pattern[same..].strip_prefix("{}")?;
    let argument = path[same..].strip_suffix(after)?;
    (!argument.is_empty() && !argument.contains('/')).then_some(Some(argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(role: Role, method: Method, path: &str, expected: Result<(Endpoint, &str), &str>) {
        let found = match find(role, &method, path) {
            Found::Endpoint { endpoint, argument, .. } => Ok((endpoint, argument.unwrap_or(""))),
            Found::OtherMethods(methods) => {
                Err(methods.iter().map(Method::as_str).collect::<Vec<_>>().join(","))
            }
            Found::Nothing => Err("nothing".to_string()),
        };
        assert_eq!(found, expected.map_err(str::to_string), "{method} {path}");
    }

    #[test]
    fn paths_methods_and_roles() {
        use Role::{Catalog, Frontend, Order, SeedFrontend};
        check(Frontend, Method::GET, "/products/tux", Ok((Endpoint::Product, "tux")));
        check(Frontend, Method::HEAD, "/products/tux/", Ok((Endpoint::Product, "tux")));
        check(Frontend, Method::GET, "/products", Ok((Endpoint::Products, "")));
        check(Frontend, Method::GET, "/products/", Ok((Endpoint::Products, "")));
        check(Frontend, Method::POST, "/products/tux", Err("GET"));
        check(Frontend, Method::GET, "/orders", Err("POST"));
        check(Frontend, Method::POST, "/requests/k/resolve", Ok((Endpoint::Resolve, "k")));
        check(Frontend, Method::GET, "/products/{}", Ok((Endpoint::Product, "{}")));
        check(Frontend, Method::POST, "/requests/{/resolve", Ok((Endpoint::Resolve, "{")));
        check(Frontend, Method::POST, "/requests//resolve", Err("nothing"));
        check(Frontend, Method::POST, "/requests/resolve", Err("GET"));
        check(Frontend, Method::GET, "/products/a/b", Err("nothing"));
        check(Frontend, Method::PUT, "/view", Err("nothing"));
        check(SeedFrontend, Method::GET, "/products", Err("nothing"));
        check(Catalog, Method::GET, "/frontends/1/lease", Err("PUT,DELETE"));
        check(Order, Method::DELETE, "/orders", Err("POST,GET"));
        check(Order, Method::GET, "/", Err("nothing"));
    }
}
