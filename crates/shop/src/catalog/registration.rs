//! Which frontends may have a lease: registering them durably before the first, so that a restarted
//! catalog knows whom to revoke; refusing a second process with the number of a living one.
//!
//! Part of [`Catalog`]; called by its `step`. The leases themselves are in
//! [`leases`](super::leases).

use replication::Time;

use super::command::Command;
use super::stock::Registration;
use super::{Catalog, Then, reply};
use crate::message::{Problem, Reply, Request};
use crate::node::{Address, Effect, Token};

/// The most registered frontends. Each may delay a change by a lease, and each is asked at start.
pub const FRONTENDS_MAX: usize = 64;

/// The longest URL of a frontend, in bytes.
pub const URL_BYTES_MAX: usize = 256;

impl Catalog {
    pub(super) fn on_renew(
        &mut self,
        now: Time,
        token: Token,
        (frontend, url, incarnation): (u8, String, u64),
        confirmed: bool,
        effects: &mut Vec<Effect>,
    ) {
        match self.may_renew(frontend, &url, incarnation) {
            // A leader that was deposed must not grant for ever, nor say who is there.
            Ok(true) | Err(Problem::FrontendInUse) if !self.certain(confirmed) => {
                let request = Request::RenewLease { frontend, url, incarnation };
                self.wait_for_barrier(token, request, effects);
            }
            Err(problem) => reply(effects, token, Err(problem)),
            Ok(true) => {
                let lease = self.grant(now, frontend, incarnation);
                reply(effects, token, Ok(Reply::Leased(lease)));
            }
            Ok(false) => {
                let command = Command::Register { frontend, url, incarnation };
                let then = Then::Grant { token, frontend, incarnation };
                self.propose(now, &command, Vec::new(), then, effects);
            }
        }
    }

    /// `Ok(true)`: the lease may be granted at once; `Ok(false)`: once a registration is applied.
    fn may_renew(&self, frontend: u8, url: &str, incarnation: u64) -> Result<bool, Problem> {
        if url.is_empty() || url.len() > URL_BYTES_MAX {
            let problem = format!("a frontend's URL has 1 to {URL_BYTES_MAX} bytes");
            return Err(Problem::Bad(problem));
        }
        self.awake()?;
        if let Some(holder) = self.leases.holders().get(&frontend) {
            if holder.incarnation != incarnation {
                return Err(Problem::FrontendInUse);
            }
            if holder.revoked() {
                let what = "the lease of the catalog's last run is being revoked";
                return Err(Problem::Unavailable(what.to_string()));
            }
        }
        let mut on_its_way = false;
        let mut newcomers = 0;
        for proposal in &self.proposals {
            match &proposal.then {
                Then::Grant { frontend: id, incarnation: of, .. } if *id == frontend => {
                    if *of != incarnation {
                        return Err(Problem::FrontendInUse);
                    }
                    on_its_way = true;
                }
                Then::Unregistered { frontend: id } if *id == frontend => on_its_way = true,
                Then::Grant { frontend: id, .. } if !self.registered(*id) => newcomers += 1,
                Then::Nothing
                | Then::Recorded { .. }
                | Then::Begun
                | Then::AnswerTakes { .. }
                | Then::Answer { .. }
                | Then::Grant { .. }
                | Then::Unregistered { .. }
                | Then::Restocked { .. }
                | Then::Closed => {}
            }
        }
        let wanted = Registration { url: url.to_string(), incarnation };
        if !on_its_way && self.stock.frontends().get(&frontend) == Some(&wanted) {
            return Ok(true);
        }
        self.writing()?;
        if !self.registered(frontend) && self.stock.frontends().len() + newcomers >= FRONTENDS_MAX {
            let what = format!("{FRONTENDS_MAX} frontends are registered");
            return Err(Problem::Unavailable(what));
        }
        Ok(false)
    }

    fn registered(&self, frontend: u8) -> bool {
        self.stock.frontends().contains_key(&frontend)
    }

    /// A registration is durable: the lease that it was for may be granted.
    pub(super) fn on_registered(
        &mut self,
        now: Time,
        token: Token,
        frontend: u8,
        incarnation: u64,
        effects: &mut Vec<Effect>,
    ) {
        self.know(frontend, effects);
        if let Err(problem) = self.awake() {
            return reply(effects, token, Err(problem));
        }
        let lease = self.grant(now, frontend, incarnation);
        reply(effects, token, Ok(Reply::Leased(lease)));
    }

    /// Tells the shell where a registered frontend is.
    pub(super) fn know(&self, frontend: u8, effects: &mut Vec<Effect>) {
        if let Some(registration) = self.stock.frontends().get(&frontend) {
            let url = registration.url.clone();
            effects.push(Effect::Know { node: Address::Frontend(frontend), url });
        }
    }

    /// A frontend stops by itself: it holds nothing more, and the next start need not wait for it.
    pub(super) fn on_end_lease(
        &mut self,
        now: Time,
        token: Token,
        frontend: u8,
        incarnation: u64,
        effects: &mut Vec<Effect>,
    ) {
        let holder = self.leases.holders().get(&frontend);
        if holder.is_some_and(|holder| holder.incarnation == incarnation) {
            self.release(now, frontend, effects);
        }
        reply(effects, token, Ok(Reply::Done));
        let registration = self.stock.frontends().get(&frontend);
        if registration.is_some_and(|registration| registration.incarnation == incarnation)
            && self.writing().is_ok()
        {
            self.unregister(now, frontend, incarnation, effects);
        }
    }
}
