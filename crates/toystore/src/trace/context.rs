//! Where a span stands, as text: W3C Trace Context, and a list of it.
//!
//! `traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01` says trace, span and
//! whether it is sampled. Between our own nodes a message may stand in many traces at once; then
//! [`TRACES_HEADER`] has one for each thing that the message names, in its order, and nothing where
//! that thing is in no trace. Pure. Called by [`super::live`].

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use super::{Header, TRACEPARENT, TRACES_HEADER};

/// The most causes in one header: half of what a head may have, in bytes. Those beyond lose their
/// trace there.
const CONTEXTS_MAX: usize = 128;

/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;

/// The causes that came with a message.
#[derive(Debug, Default, PartialEq)]
pub struct Causes {
    /// By the place of what they belong to.
    contexts: Vec<Option<SpanContext>>,
    /// Whether there is one for each place; else the only one is everybody's.
    listed: bool,
    /// Whether the sender knew of a trace at all, sampled or not.
    pub said: bool,
}

impl Causes {
    /// Reads them from a message's headers.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a [u8]>) -> Causes {
        let text = |name| std::str::from_utf8(header(name)?).ok();
        if let Some(list) = text(TRACES_HEADER) {
            let contexts = list.split(',').take(CONTEXTS_MAX).map(|one| sampled(one.trim()));
            return Causes { contexts: contexts.collect(), listed: true, said: true };
        }
        let given = text(TRACEPARENT).and_then(read);
        let said = given.is_some();
        let contexts = vec![given.filter(SpanContext::is_sampled)];
        Causes { contexts, listed: false, said }
    }

    /// Each once, in order.
    pub fn distinct(&self) -> Vec<SpanContext> {
        distinct(self.contexts.iter().flatten().cloned())
    }

    /// The cause of what stands at this place of the message.
    pub fn at(&self, place: usize) -> Option<&SpanContext> {
        self.contexts.get(if self.listed { place } else { 0 })?.as_ref()
    }
}

/// Each once, in order.
pub fn distinct(contexts: impl Iterator<Item = SpanContext>) -> Vec<SpanContext> {
    let mut all: Vec<SpanContext> = Vec::new();
    for context in contexts {
        if !all.contains(&context) {
            all.push(context);
        }
    }
    all
}

/// The header for causes by place.
pub fn header(contexts: &[Option<SpanContext>]) -> Header {
    let first = contexts.iter().flatten().next()?;
    if contexts.iter().all(|context| context.as_ref() == Some(first)) {
        return Some((TRACEPARENT, write(first)));
    }
    let list = contexts.iter().take(CONTEXTS_MAX);
    let list: Vec<String> = list.map(|one| one.as_ref().map_or_else(String::new, write)).collect();
    Some((TRACES_HEADER, list.join(",")))
}

fn write(context: &SpanContext) -> String {
    let flags = context.trace_flags().to_u8();
    format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
}

fn sampled(text: &str) -> Option<SpanContext> {
    read(text).filter(SpanContext::is_sampled)
}

/// W3C Trace Context §3.2: strict about version 00, and of later versions what they share with it.
fn read(text: &str) -> Option<SpanContext> {
    let digits = |from: usize, to: usize| {
        let part = text.get(from..to)?;
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        part.bytes().all(hexadecimal).then_some(part)
    };
    let dashes = [2, 35, 52].iter().all(|place| text.as_bytes().get(*place) == Some(&b'-'));
    let end = text.as_bytes().get(LENGTH);
    let fits = match digits(0, 2)? {
        "00" => end.is_none(),
        "ff" => false,
        _ => end.is_none_or(|byte| *byte == b'-'),
    };
    if !dashes || !fits {
        return None;
    }
    let trace = TraceId::from_hex(digits(3, 35)?).ok()?;
    let span = SpanId::from_hex(digits(36, 52)?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(digits(53, LENGTH)?, 16).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319d-00f067aa0ba902b7-01";

    fn causes(name: &'static str, value: &'static str) -> Causes {
        Causes::read(|asked| (asked == name).then_some(value.as_bytes()))
    }

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let check = |text: &str, valid: bool| assert_eq!(read(text).is_some(), valid, "{text}");
        assert_eq!(write(&read(ONE).unwrap()), ONE);
        check("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true);
        check("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-has", true);
        check("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x", false);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", false);
        check("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false);
        check("00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01", false);
        check("", false);
        check("00-ä", false);
    }

    #[test]
    fn what_is_not_sampled_is_no_cause_and_no_reason_to_begin() {
        let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let none = causes(TRACEPARENT, unsampled);
        assert_eq!((none.said, none.at(0)), (true, None));
        assert!(!causes(TRACEPARENT, "nonsense").said);
    }

    #[test]
    fn one_cause_is_everybodys_and_several_are_by_place() {
        let (one, other) = (read(ONE).unwrap(), read(OTHER).unwrap());
        let same = header(&[Some(one.clone()), Some(one.clone())]);
        assert_eq!(same, Some((TRACEPARENT, ONE.to_string())));
        assert_eq!(causes(TRACEPARENT, ONE).at(7), Some(&one));

        let mixed = header(&[None, Some(one.clone()), Some(other.clone())]);
        assert_eq!(mixed, Some((TRACES_HEADER, format!(",{ONE},{OTHER}"))));
        let text = concat!(
            ",00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ",00-0af7651916cd43dd8448eb211c80319d-00f067aa0ba902b7-01"
        );
        let read = causes(TRACES_HEADER, text);
        assert_eq!(
            [read.at(0), read.at(1), read.at(2), read.at(3)],
            [None, Some(&one), Some(&other), None]
        );
        assert_eq!(read.distinct(), [one, other]);
        assert_eq!(header(&[None, None]), None);
    }
}
