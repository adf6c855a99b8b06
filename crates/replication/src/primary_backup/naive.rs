//! What only `naive` does: it leads on, on its own judgement.

use crate::engine::Effect;
use crate::term::Term;
use crate::time::Time;

use super::{PrimaryBackup, Role};

impl PrimaryBackup {
    /// A follower listens only to a higher term. If that term's leader lives, it is heard soon, and
    /// this one follows it. If it is not, this one leads on, as it was told to, under a term that
    /// is higher still; else its followers would wait for somebody dead for ever.
    pub(super) fn outbid(&mut self, now: Time, promised: Term, effects: &mut Vec<Effect>) {
        let suspicion = self.config.timers.suspicion;
        let me = self.config.id;
        let followers = self.new_progress(now);
        let Role::Leader(leader) = &mut self.role else { return };
        let since = *leader.outbid_since.get_or_insert(now);
        if now.since(since) >= suspicion {
            leader.outbid_since = None;
            // Another history may have passed through them meanwhile.
            leader.followers = followers;
            self.begin_term(now, promised.next(me), effects);
        }
    }
}
