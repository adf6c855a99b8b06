//! How the simplest engine follows. Called by its `step`.

use super::{Effects, Simplest};
use crate::log::Record;
use crate::planted::{Bug, planted};
use crate::primary_backup::Message;
use crate::term::NodeId;
use crate::time::Time;

impl Simplest {
    pub(super) fn on_append(
        &mut self,
        now: Time,
        from: NodeId,
        append: Message,
        out: &mut Effects,
    ) {
        let Message::Append { term, previous, previous_term, entries, committed, barrier } = append
        else {
            return;
        };
        self.adopt(now, term, out);
        if term < self.promised && !planted(Bug::OldTermHeard) {
            let reject = Message::Reject { promised: self.promised, last: self.log.last() };
            return self.send(from, reject, out);
        }
        self.follow(now, Some(from), out);
        if self.installs {
            return;
        }
        let (mut entries, mut previous, mut previous_term) =
            (&entries[..], previous, previous_term);
        while previous < self.log.start()
            && let Some((first, rest)) = entries.split_first()
        {
            (previous, previous_term, entries) = (first.index, first.term, rest);
        }
        if self.log.term_at(previous) != Some(previous_term) {
            let last = self.log.last().min(previous.previous()).max(self.committed);
            return self.send(from, Message::Reject { promised: term, last }, out);
        }
        let before = self.emitted;
        for entry in entries {
            match self.log.term_at(entry.index) {
                Some(known) if known == entry.term => continue,
                Some(_) => {
                    self.log.truncate(entry.index);
                    self.durable = self.durable.min(entry.index.previous());
                    self.persist(Record::Truncate(entry.index), out);
                }
                None => {}
            }
            self.log.append(entry.clone());
            self.persist(Record::Append(entry.clone()), out);
        }
        let end = entries.last().map_or(previous, |entry| entry.index);
        self.committed = self.committed.max(committed.min(end));
        let waits = self.emitted > before;
        let matched = if waits { end } else { end.min(self.durable) };
        let matched = if planted(Bug::AckUnsynced) { end } else { matched };
        self.send(from, Message::Acknowledge { term, matched, barrier }, out);
        if planted(Bug::AckUnsynced)
            && let Some(send) = out.pop()
        {
            out.insert(0, send);
        }
        self.apply(out);
    }
}
