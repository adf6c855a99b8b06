//! Other nodes: one [`Link`] for each, over which this node calls, sends, and notices that the
//! other one is gone.
//!
//! Called by the driver for the effects `Call`, `Send` and `Know`; tells it when a link comes up or
//! goes down. Everything is REST: a call is one HTTP request on a pooled keep-alive connection;
//! replication messages that wait for the same replica go out together in one `POST /log`.

pub mod faults;
mod link;
pub mod names;
mod outbox;
pub mod pipe;
pub mod sample;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use replication::NodeId;
use replication::engine::Message;
use shop::node::Address;
use tokio::runtime::Handle;

use crate::http::connection::Url;
use crate::http::metrics::Page;
use crate::trace::{Header, Traces};
use faults::Faults;
pub use link::Link;
use names::{Names, replica};
use sample::Sample;

/// What a link tells its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The other node can be reached, or its connection broke and was refused anew.
    Link {
        /// Whose.
        node: Address,
        /// Whether it is there.
        up: bool,
    },
    /// Replication messages that came with the answer to some of ours.
    Messages {
        /// Whose.
        from: Address,
        /// In order.
        messages: Vec<Message>,
        /// Within which traces.
        traces: Header,
    },
}

/// Told every [`Event`].
pub type Report = Arc<dyn Fn(Event) + Send + Sync>;

/// All other nodes that this one knows.
pub struct Peers {
    shared: Arc<Shared>,
}

/// Shared with the tasks of the links.
struct Shared {
    me: Address,
    names: Names,
    /// Where this node itself is reached, if it was told.
    home: Option<Arc<str>>,
    /// Sent with every internal request.
    token: Arc<str>,
    /// Read at every call, written when a frontend registers.
    links: RwLock<BTreeMap<Address, Arc<Link>>>,
    /// Set once, when the node starts.
    report: OnceLock<Report>,
    /// A frontend may become known on the disk thread, which is no thread of the runtime.
    runtime: Handle,
    /// Shared with the links; absent without `--chaos`, and then nothing can be broken.
    faults: Option<Arc<Faults>>,
    traces: Traces,
    sample: Arc<Sample>,
}

impl Shared {
    fn link(&self, to: Address, url: Url) -> Arc<Link> {
        let (token, faults, traces) =
            (self.token.clone(), self.faults.clone(), self.traces.clone());
        let mut link = Link::new(self.me, to, self.names.name(to), url, token, faults, traces);
        link.home = self.home.clone();
        link.sample = self.sample.clone();
        Arc::new(link)
    }
}

impl Peers {
    /// The nodes that are known from the start; this one itself among them, if others may have to
    /// learn from it where it is. Under `chaos`, what goes to them can be broken.
    /// Must be called inside a runtime.
    pub fn new(
        me: Address,
        token: &str,
        mut known: BTreeMap<Address, Url>,
        chaos: bool,
        traces: Traces,
    ) -> Peers {
        let token: Arc<str> = token.into();
        let names = Names::of(me, known.keys());
        let sample = Arc::new(Sample::new(names.name(me)));
        let home = known.remove(&me).map(|url| url.to_string().into());
        let faults = chaos.then(|| Arc::new(Faults::new(me)));
        let (report, runtime) = (OnceLock::new(), Handle::current());
        let links = RwLock::default();
        let shared =
            Shared { me, names, home, token, links, report, runtime, faults, traces, sample };
        let links = known.into_iter().map(|(node, url)| (node, shared.link(node, url))).collect();
        Peers { shared: Arc::new(Shared { links: RwLock::new(links), ..shared }) }
    }

    /// How long calls took, by whom was called.
    pub fn measured(&self, page: &mut Page) {
        for link in self.links().values() {
            link.measured(page);
        }
    }

    /// Where the spans of this node are.
    pub fn traces(&self) -> &Traces {
        &self.shared.traces
    }

    /// The messages that pass here, for whoever draws them.
    pub fn sample(&self) -> &Sample {
        &self.shared.sample
    }

    /// What nodes are called here.
    pub fn names(&self) -> Names {
        self.shared.names
    }

    /// The faults of what this node sends; absent without `--chaos`.
    pub fn faults(&self) -> Option<&Faults> {
        self.shared.faults.as_deref()
    }

    /// Every other node that is known.
    pub fn known(&self) -> Vec<Address> {
        self.links().keys().copied().collect()
    }

    /// Opens the links and begins to watch them. Called once.
    pub fn start(&self, report: Report) {
        // A second start would watch twice; the first report counts.
        let _ = self.shared.report.set(report);
        for link in self.links().values() {
            self.begin(link);
        }
    }

    fn begin(&self, link: &Arc<Link>) {
        if let Some(report) = self.shared.report.get() {
            let runtime = &self.shared.runtime;
            runtime.spawn(watch::watch(link.clone(), report.clone()));
            if link.is_replica() {
                runtime.spawn(outbox::run(link.clone(), report.clone()));
            }
        }
    }

    fn links(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Address, Arc<Link>>> {
        // It guards a map that no panic leaves half changed.
        self.shared.links.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link to a node; `None` if nobody has said where it is.
    pub fn link(&self, to: Address) -> Option<Arc<Link>> {
        self.links().get(&to).cloned()
    }

    /// Puts a replication message into the outbox of its destination.
    pub fn send(&self, to: NodeId, message: Message) {
        let to = replica(self.shared.me, to);
        if let Some(link) = to.and_then(|to| self.link(to)) {
            link.outbox.post(message);
        }
    }

    /// A node that nobody has spoken of yet says where it is.
    pub fn meet(&self, node: Address, url: &str) {
        if self.link(node).is_none() {
            self.know(node, url);
        }
    }

    /// From now on a node is reached at this URL.
    pub fn know(&self, node: Address, url: &str) {
        let url: Url = match url.parse() {
            Ok(url) => url,
            Err(problem) => return tracing::warn!("{node} cannot be reached: {problem}"),
        };
        let link = self.link(node);
        if let Some(link) = link {
            return link.moved(url);
        }
        let link = self.shared.link(node, url);
        self.shared
            .links
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(node, link.clone());
        self.begin(&link);
    }
}
