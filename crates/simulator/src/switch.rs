//! Switches of a suite: a few values, each with its name.
//!
//! Called by `clocks` and `members`, which the command line shows and reads.

/// What one of these is called.
pub(crate) fn name<T: PartialEq>(all: &[(T, &'static str)], one: &T) -> &'static str {
    all.iter().find(|(known, _)| known == one).map_or("", |(_, name)| name)
}

/// The one that is called so.
///
/// # Errors
/// If none is; says what there is.
pub(crate) fn parse<T: Copy>(all: &[(T, &'static str)], text: &str) -> Result<T, String> {
    let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
    let found = all.iter().find(|(_, name)| *name == text).map(|(one, _)| *one);
    found.ok_or_else(|| match names.split_last() {
        Some((last, others)) => format!("expected {} or {last}", others.join(", ")),
        None => "expected nothing".to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_read_by_the_name_that_it_shows() {
        let all = [(1, "one"), (2, "two"), (3, "three")];
        for (value, shown) in all {
            assert_eq!(name(&all, &value), shown);
            assert_eq!(parse(&all, shown), Ok(value));
        }
        assert_eq!(parse(&all, "four"), Err("expected one, two or three".to_string()));
    }
}
