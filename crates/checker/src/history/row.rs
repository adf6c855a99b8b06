//! One line of a history, with the fields that its kind needs: an operation or an event.
//!
//! Called by [`super::Reader`], which has read it as JSON.

use super::read::{BadInput, NUMBER_MAX, QUANTITY_MAX, bad, column_of};
use super::{
    Asked, Bought, Consistency, Event, EventKind, FateKind, History, Line, Logged, LoggedLine,
    NEVER_RETURNED, Name, OpKind, Operation, Outcome, OutcomeKind, Reason, Refused, Text,
};

/// One line on its way into the history.
pub struct Row<'a> {
    /// Its number, from 1.
    pub line: u32,
    /// As it stands in the file, for columns.
    pub text: &'a [u8],
    /// Where it goes.
    pub history: &'a mut History,
}

impl Row<'_> {
    fn wrong(&self, field: &str, expected: String) -> BadInput {
        bad(u64::from(self.line), column_of(self.text, field), expected)
    }

    fn need<T: Copy>(&self, field: &str, value: Option<T>, of: &str) -> Result<T, BadInput> {
        value.ok_or_else(|| self.wrong(field, format!("expected the field `{field}` {of}")))
    }

    fn name(&mut self, field: &str, text: Option<&Text<'_>>, of: &str) -> Result<Name, BadInput> {
        match text {
            Some(text) => Ok(self.history.names.put(&text.0)),
            None => Err(self.wrong(field, format!("expected the field `{field}` {of}"))),
        }
    }

    fn key(&mut self, line: &Line<'_>, of: &str) -> Result<Name, BadInput> {
        match &line.key {
            Some(text) => Ok(self.history.keys.put(&text.0)),
            None => Err(self.wrong("key", format!("expected the field `key` {of}"))),
        }
    }

    /// Numbers that can be added up.
    fn bounds(&self, line: &Line<'_>) -> Result<(), BadInput> {
        let logged = || line.orders.iter().flatten();
        let quantities = line.quantity.into_iter().chain(logged().map(|order| order.quantity));
        if !quantities.into_iter().all(|quantity| quantity.abs_diff(0) <= QUANTITY_MAX as u64) {
            let words = format!("expected a quantity from -{QUANTITY_MAX} to {QUANTITY_MAX}");
            return Err(self.wrong("quantity", words));
        }
        let of_logged = |order: &LoggedLine| [Some(order.number), order.version, order.index];
        let numbers = [
            ("order", line.order),
            ("taken", line.taken),
            ("version", line.version),
            ("index", line.index),
            ("applied", line.applied),
        ];
        let logged = logged().flat_map(of_logged).map(|number| ("orders", number));
        for (field, number) in numbers.into_iter().chain(logged) {
            if number.is_some_and(|number| number > NUMBER_MAX) {
                return Err(self.wrong(field, format!("expected a number up to {NUMBER_MAX}")));
            }
        }
        Ok(())
    }

    /// Adds it.
    ///
    /// # Errors
    /// If a field is missing, or has a value that it cannot have.
    pub fn take(&mut self, line: &Line<'_>) -> Result<(), BadInput> {
        self.bounds(line)?;
        match (line.op, line.event) {
            (Some(op), None) => {
                let operation = self.operation(op, line)?;
                self.history.operations.push(operation);
            }
            (None, Some(event)) => {
                let event = self.event(event, line)?;
                self.history.events.push(event);
            }
            (Some(_), Some(_)) => {
                return Err(self.wrong("event", "expected `op` or `event`, not both".into()));
            }
            (None, None) => {
                return Err(self.wrong("op", "expected the field `op` or `event`".into()));
            }
        }
        Ok(())
    }

    fn operation(&mut self, op: OpKind, line: &Line<'_>) -> Result<Operation, BadInput> {
        let client = self.need("client", line.client, "of an operation")?;
        let invoked = self.need("invoked", line.invoked, "of an operation")?;
        let returned = self.need("returned", line.returned, "of an operation")?;
        if returned < invoked {
            let words = format!("expected `returned` not before `invoked` ({invoked})");
            return Err(self.wrong("returned", words));
        }
        if returned == NEVER_RETURNED {
            return Err(self.wrong("returned", "expected a time below 2^64 - 1".into()));
        }
        let asked = self.asked(op, line)?;
        let outcome = self.outcome(op, line)?;
        let session = match &line.session {
            Some(session) => self.history.names.put(&session.0),
            None => self.history.names.put(&client.to_string()),
        };
        let put = |text: &Text<'_>| self.history.names.put(&text.0);
        let [process, node] = [&line.process, &line.node].map(Option::as_ref);
        let (process, node) = (process.map(put), node.map(|n| self.history.names.put(&n.0)));
        let from = line.from.as_ref().map(|from| self.history.names.put(&from.0));
        let (consistency, applied) = (line.consistency.unwrap_or_default(), line.applied);
        if consistency != Consistency::Linearizable
            && !matches!(asked, Asked::Read { .. } | Asked::Order { .. })
        {
            let words = "expected a `consistency` below linearizable of a read only";
            return Err(self.wrong("consistency", words.into()));
        }
        let attempts = line.attempts.unwrap_or(1);
        let line = self.line;
        Ok(Operation {
            line,
            client,
            session,
            process,
            node,
            invoked,
            returned,
            attempts,
            asked,
            outcome,
            consistency,
            from,
            applied,
        })
    }

    fn asked(&mut self, op: OpKind, line: &Line<'_>) -> Result<Asked, BadInput> {
        Ok(match op {
            OpKind::Read => Asked::Read { toy: self.name("toy", line.toy.as_ref(), "of a read")? },
            OpKind::Buy => Asked::Buy {
                toy: self.name("toy", line.toy.as_ref(), "of a purchase")?,
                quantity: self.need("quantity", line.quantity, "of a purchase: how many")?,
                key: line.key.as_ref().map(|key| self.history.keys.put(&key.0)),
            },
            OpKind::Order => {
                Asked::Order { number: self.need("order", line.order, "of a read of an order")? }
            }
            OpKind::Fate | OpKind::Resolve => {
                let key = self.key(line, "of a question about a request")?;
                Asked::Fate { key, resolve: op == OpKind::Resolve }
            }
        })
    }

    fn outcome(&mut self, op: OpKind, line: &Line<'_>) -> Result<Outcome, BadInput> {
        Ok(match self.need("outcome", line.outcome, "of an operation")? {
            OutcomeKind::Unknown => Outcome::Unknown,
            OutcomeKind::Unavailable => Outcome::Unavailable,
            OutcomeKind::Refused => Outcome::Refused(self.refused(line)?),
            OutcomeKind::Ok => match op {
                OpKind::Read => Outcome::Product {
                    quantity: self.need("quantity", line.quantity, "that was seen")?,
                    version: line.version,
                    cache: line.cache,
                },
                OpKind::Buy => Outcome::Bought(self.bought(line)?),
                OpKind::Order => Outcome::Found {
                    toy: self.name("toy", line.toy.as_ref(), "that was seen")?,
                    quantity: self.need("quantity", line.quantity, "that was seen")?,
                    index: line.index,
                },
                OpKind::Fate | OpKind::Resolve => match self.need("fate", line.fate, "told")? {
                    FateKind::Recorded => Outcome::FateRecorded(self.bought(line)?),
                    FateKind::Refused => Outcome::FateRefused(self.refused(line)?),
                    FateKind::Never => Outcome::FateNever,
                    FateKind::Pending | FateKind::Unknown => Outcome::FateOpen,
                },
            },
        })
    }

    fn bought(&self, line: &Line<'_>) -> Result<Bought, BadInput> {
        let order = self.need("order", line.order, "of what was bought: its number")?;
        Ok(Bought { order, version: line.version, index: line.index })
    }

    fn refused(&self, line: &Line<'_>) -> Result<Refused, BadInput> {
        let reason: Reason = self.need("reason", line.reason, "of a refusal")?;
        Ok(Refused { reason, version: line.version, index: line.index })
    }

    fn event(&mut self, event: EventKind, line: &Line<'_>) -> Result<Event, BadInput> {
        Ok(match event {
            EventKind::Restock => Event::Restock {
                at: self.need("at", line.at, "of a restock")?,
                toy: self.name("toy", line.toy.as_ref(), "of a restock")?,
                quantity: self.need("quantity", line.quantity, "of a restock: how many now")?,
            },
            EventKind::Leader => Event::Leader {
                at: self.need("at", line.at, "of a change of the leader")?,
                node: self.name("node", line.node.as_ref(), "that leads")?,
                term: line.term.as_ref().map(|term| self.history.names.put(&term.0)),
            },
            EventKind::Fault => {
                let at = self.need("at", line.at, "of a fault")?;
                let until = line.until.unwrap_or(at);
                if until < at {
                    let words = format!("expected `until` not before `at` ({at})");
                    return Err(self.wrong("until", words));
                }
                Event::Fault {
                    at,
                    until,
                    node: line.node.as_ref().map(|node| self.history.names.put(&node.0)),
                    what: self.name("what", line.what.as_ref(), "of a fault")?,
                }
            }
            EventKind::Log => {
                let node = self.name("node", line.node.as_ref(), "whose log it is")?;
                let Some(orders) = &line.orders else {
                    return Err(self.wrong("orders", "expected the field `orders` of a log".into()));
                };
                Event::Log { node, orders: orders.iter().map(|o| self.logged(o)).collect() }
            }
            EventKind::Stock => Event::Stock {
                toy: self.name("toy", line.toy.as_ref(), "in stock")?,
                quantity: self.need("quantity", line.quantity, "in stock")?,
                version: line.version,
            },
            EventKind::PutBack => Event::PutBack {
                toy: self.name("toy", line.toy.as_ref(), "that was put back")?,
                quantity: self.need("quantity", line.quantity, "that was put back")?,
                key: self.key(line, "of the request that it was taken for")?,
                taken: self.need("taken", line.taken, "of the version that the take made")?,
                version: self.need("version", line.version, "that putting it back made")?,
            },
        })
    }

    fn logged(&mut self, order: &LoggedLine<'_>) -> Logged {
        Logged {
            line: self.line,
            number: order.number,
            toy: self.history.names.put(&order.toy.0),
            quantity: order.quantity,
            key: order.key.as_ref().map(|key| self.history.keys.put(&key.0)),
            version: order.version,
            index: order.index,
        }
    }
}
