//! Writes CSV (RFC 4180), the form in which the course wants orders.
//!
//! Called by `client` for each shopper's orders and by `export`.

/// One line, its end included; fields are quoted where they must be.
pub fn line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (place, field) in fields.into_iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(field);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_only_where_they_must_be() {
        assert_eq!(line(["0", "Tux", "1"]), "0,Tux,1\n");
        assert_eq!(line(["1", "Rubik's, \"Cube\""]), "1,\"Rubik's, \"\"Cube\"\"\"\n");
        assert_eq!(line(["a\nb", ""]), "\"a\nb\",\n");
    }
}
