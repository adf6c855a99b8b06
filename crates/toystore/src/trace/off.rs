//! The same without cargo feature `otel`: nothing is traced, and nothing is done for it.

use clap::Args;
use replication::engine::Message;
use replication::{NodeId, Record};
use shop::message::{Request, Response};
use shop::node::{Address, Answer};

use super::Header;
use crate::http::head::Head;
use crate::peer::Link;

/// No flags.
#[derive(Debug, Args)]
pub struct Flags {}

impl Flags {
    /// Nothing.
    pub fn traces(&self, _: Address, _: String, _: &'static str) -> anyhow::Result<Traces> {
        Ok(Traces::default())
    }
}

/// Nothing.
#[derive(Clone, Default)]
pub struct Traces(());

impl Traces {
    pub async fn stop(&self) {}

    pub fn arrive(&self, _: &Head, _: &'static str, _: bool) -> Arrival {
        Arrival
    }

    pub fn hit(&self, _: &Head, _: u16) {}

    pub fn asked(&self, _: u64, _: &Request, _: &mut Arrival) {}

    pub fn replied(&self, _: u64) {}

    pub fn depart(&self, _: &Request, _: Option<&Link>) -> Departure {
        Departure { header: None }
    }

    pub fn sends(&self, _: NodeId, _: &Message) {}

    pub fn receives(&self, _: NodeId, _: &Message) {}

    pub fn received(&self, _: &[Message], _: &Header) {}

    pub fn log_header(&self, _: Address) -> LogHeader {
        LogHeader
    }

    pub fn persists(&self, _: u64, _: &Record) {}

    pub fn persisted(&self, _: u64) {}
}

/// Nothing.
pub struct Arrival;

impl Arrival {
    pub fn end(self, _: &Response) {}
}

/// Nothing.
pub struct Departure {
    /// Always absent.
    pub header: Header,
}

impl Departure {
    pub fn end(self, _: &Answer) {}
}

/// Nothing.
pub struct LogHeader;

impl LogHeader {
    pub fn add(&mut self, _: &Message) {}

    pub fn finish(self) -> Header {
        None
    }
}
