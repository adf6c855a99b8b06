//! Traces: what became of one purchase, at every node that had to do with it, for a collector of
//! OpenTelemetry. Only with cargo feature `otel`, and only where a collector is named.
//!
//! # The idea
//!
//! A trace is a tree of spans, and a span's parent is its cause. Inside one process that is mostly
//! "whoever called me"; here it is not. A step of a node takes what waited together and emits what
//! leaves together: one call to the catalog carries the takes of twenty purchases, and it leaves in
//! the step of an answer that belongs to twenty others. So nothing is attributed by *when* it
//! happens. It is attributed by **what it names**: a take names its request, and so does a log
//! entry; an invalidation names a toy, and whoever changes that toy now is its cause ([`subject`]).
//!
//! ```text
//! POST /orders at a frontend ─► request 7 is here: server span      …and so at every node:
//! call orders [7, 8]         ─► a client span in 7's trace, one in 8's, one header with both
//! request orders [7, 8]      ─► 7 and 8 are here: a server span in each trace
//! ```
//!
//! What several purchases share is one span in the trace of each, so that every trace is whole. The
//! header `traceparent` of W3C Trace Context goes with a request that has one cause; a request that
//! has several carries them in [`TRACES_HEADER`], one for each thing that it names.
//!
//! # One purchase
//!
//! ```text
//! POST /orders                          frontend   server; began the trace, or was given one
//! └ POST /orders                        frontend   client
//!   └ POST /orders                      order      server
//!     ├ POST /takes                     order      client
//!     │ └ POST /takes                   catalog    server
//!     │   ├ persist                     catalog
//!     │   └ DELETE /cache               catalog    client, for each frontend that may hold the toy
//!     │     └ DELETE /cache             frontend   server
//!     ├ persist                         order      the leader's own disk
//!     └ replicate                       order      client, for each follower
//!       └ append                        order      server: until it is on disk and acknowledged
//!         └ persist                     order
//! ```
//!
//! # The rules it keeps
//!
//! 1. The cores know nothing of it: everything is read off the inputs and effects that pass the
//!    driver.
//! 2. A collector that is away costs spans, never time: they go through a bounded queue to a thread
//!    of their own ([`export`]).
//! 3. Every table has a bound. What falls out of one loses its place in its trace, nothing else.
//! 4. What is not sampled is not carried on: it costs nothing behind its first node.
//!
//! # What is left out
//!
//! Leases, heartbeats, elections and restocks have no trace: nobody's request is their cause. A
//! cache hit begins none either, since there are too many of them; one that is given a trace has a
//! span in it. `tracestate` is not passed on.
//!
//! Called by [`crate::driver`] (inputs and effects), [`crate::http::site`] (requests), and
//! [`crate::peer`] (batches of log messages); made by `command::service`.

#[cfg(feature = "otel")]
mod context;
#[cfg(feature = "otel")]
mod exchange;
#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod live;
#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod place;
#[cfg(feature = "otel")]
mod recent;
#[cfg(feature = "otel")]
mod subject;

#[cfg(feature = "otel")]
pub use exchange::Arrival;
#[cfg(feature = "otel")]
pub use export::Flags;
#[cfg(feature = "otel")]
pub use live::Traces;
#[cfg(not(feature = "otel"))]
pub use off::{Arrival, Flags, Traces};

/// What goes with a request or an answer so that the other side knows the causes: name and value.
pub type Header = Option<(&'static str, String)>;

/// The header that carries one cause.
pub const TRACEPARENT: &str = "traceparent";

/// The header that carries several.
pub const TRACES_HEADER: &str = "toystore-traces";

/// The header of a message that came, if it has one.
pub fn header<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Header {
    let given = |name| Some((name, header(name)?.to_string()));
    given(TRACES_HEADER).or_else(|| given(TRACEPARENT))
}
