//! The built-in catalogue, and every way a line can be wrong.

use crate::catalog::catalogue::{HEADER, built_in, parse};

fn check(body: &str, expected: &str) {
    let text = format!("{HEADER}\n{body}");
    let said = match parse(&text) {
        Ok(toys) => toys
            .iter()
            .map(|toy| format!("{} {} x{}", toy.name, toy.price, toy.quantity))
            .collect::<Vec<_>>()
            .join("; "),
        Err(error) => error.to_string(),
    };
    assert_eq!(said, expected, "{body:?}");
}

#[test]
fn built_in_has_the_ten_and_no_name_twice() {
    let toys = built_in();
    let lines: Vec<String> =
        toys.iter().map(|t| format!("\"{}\",{},{}", t.name, t.price, t.quantity)).collect();
    assert_eq!(parse(&format!("{HEADER}\r\n{}\r\n", lines.join("\r\n"))).unwrap(), toys);
    assert_eq!(toys[0].name.spelling(), "Tux");
    assert_eq!(toys[0].price.to_string(), "25.99");
    assert!(toys.len() >= 30);
}

#[test]
fn good_lines() {
    check("Tux,25.99,100\n\nWhale,20,0\n", "Tux 25.99 x100; Whale 20.00 x0");
    check("\"Ball, \"\"red\"\"\",1.5,7", "Ball, \"red\" 1.50 x7");
    check("  Tux , 25.99 , 3 ", "Tux 25.99 x3");
    assert!(parse(&format!("\u{feff}{HEADER}\r\nTux,1,1\r\n")).is_ok());
}

#[test]
fn bad_lines_say_where_and_what() {
    let price = "expected a price such as 25.99";
    check("Tux,cheap,1", &format!("line 2, column 5: {price}, found \"cheap\""));
    check("Tux,-1,1", &format!("line 2, column 5: {price}, found \"-1\""));
    check("Tux,,1", &format!("line 2, column 5: {price}, found nothing"));
    let number = "expected a whole number from 0 to 1000000000";
    check("Tux,1,\nFox,1,1", &format!("line 2, column 7: {number}, found nothing"));
    check("Tux,1,-2", &format!("line 2, column 7: {number}, found \"-2\""));
    check("Tux,1,1000000001", &format!("line 2, column 7: {number}, found \"1000000001\""));
    let name = "expected a name of 1 to 64 characters without control characters";
    check(",1,1", &format!("line 2, column 1: {name}, found nothing"));
    let three = "expected the three fields name,price,quantity";
    check("Tux,1", &format!("line 2, column 6: {three}, found 2 fields"));
    check("Tux", &format!("line 2, column 4: {three}, found 1 field"));
    check("Tux,1,1,1", &format!("line 2, column 9: {three}, found 4 fields"));
    let same = "expected a name that is not on line 2 already, found \"TUX\"";
    check("Tux,1,1\nTUX,1,1", &format!("line 3, column 1: {same}"));
    let quote = "expected the quote that ends this field, found the end of the line";
    check("\"Tux,1,1", &format!("line 2, column 1: {quote}"));
    let comma = "expected a comma or the end of the line after the quote, found \"x\"";
    check("\"Tux\"x,1,1", &format!("line 2, column 6: {comma}"));
    let one = "expected at least one toy, such as Tux,25.99,100, found the end of the file";
    check("", &format!("line 2, column 1: {one}"));
    let header = parse("toy,price\n").unwrap_err().to_string();
    let expected = "the header name,price,quantity, found \"toy,price\"";
    assert_eq!(header, format!("line 1, column 1: expected {expected}"));
    assert!(parse("").is_err());
}
