//! HTTP: how a node is asked, by shoppers, by people with `curl`, and by other nodes.
//!
//! ```text
//! server ──► serving ──► site ──► hit ─────────────────────────────► answer   the hot path
//!                          └────► endpoint ──► request ──► driver ──► answer   everything else
//! ```
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`server`] | sockets: the accept loop, a bound on connections |
//! | `serving` | one connection: deadlines, pipelining, bodies |
//! | `transfer` | bytes in and out of it, and its end |
//! | [`head`] | the head of a request |
//! | [`site`] | one node's requests, from head to answer |
//! | [`port`] | the part of that which needs no node: bytes → a message or a refusal |
//! | [`served`] | what a node adds to its contract for that |
//! | [`endpoint`] | the table of paths and methods, by role |
//! | `incoming` | protocol, content type, the body's bounds, chunks |
//! | `request` | path, query, headers and body → a message |
//! | `answer` | status, headers, body; the error object; how they are written |
//! | `lab` | a message → the lab's JSON |
//! | `seed` | a message → the original project's JSON |
//! | [`wire`] | how our own services speak to each other: the same endpoints in postcard |
//! | [`metrics`] | `/metrics` |
//! | [`chaos`] | `/faults`, and answers that get lost on purpose |
//! | [`connection`] | the asking side: one kept connection, for shoppers, links and tools |
//! | `openapi` | `/openapi.json`: the table of endpoints, for machines |
//!
//! There is no router library: the table is small, an unknown method must name the allowed ones,
//! and the most frequent request is answered before any table is looked at. Nor is there a server
//! library: ARCHITECTURE.md has what that was measured to be worth.

mod answer;
pub mod chaos;
pub mod connection;
pub mod endpoint;
pub mod head;
mod incoming;
mod lab;
pub mod metrics;
mod openapi;
pub mod port;
mod request;
mod seed;
pub mod served;
pub mod server;
mod serving;
pub mod site;
mod transfer;
pub mod wire;
