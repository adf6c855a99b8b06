//! The lab's JSON for one product, as bytes that are prepared once and sent many times.
//!
//! Called by the cache when an entry is kept, and by the shell for an answer that was not.

use bytes::Bytes;

use crate::toy::Product;

/// `{"data":{"name":"Tux","price":25.99,"quantity":100}}`: this order of fields, the price a JSON
/// number with exactly two decimals, which no floating-point number would keep.
pub fn product(product: &Product) -> Bytes {
    Bytes::from(format!("{{\"data\":{}}}", object(product)))
}

/// The same without its envelope, as it stands in a list.
pub fn object(product: &Product) -> String {
    let name = serde_json::to_string(product.name.spelling())
        .expect("a string can always be written as JSON");
    let Product { price, quantity, .. } = product;
    format!("{{\"name\":{name},\"price\":{price},\"quantity\":{quantity}}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{Cents, Version};

    fn check(name: &str, cents: u64, quantity: u64, expected: &str) {
        let name = name.parse().unwrap();
        let toy = Product { name, price: Cents(cents), quantity, version: Version(1) };
        assert_eq!(product(&toy), expected.as_bytes());
    }

    #[test]
    fn body_is_the_labs_json() {
        check("Tux", 2599, 100, r#"{"data":{"name":"Tux","price":25.99,"quantity":100}}"#);
        check("fox", 900, 0, r#"{"data":{"name":"fox","price":9.00,"quantity":0}}"#);
        check("a", 5, 1, r#"{"data":{"name":"a","price":0.05,"quantity":1}}"#);
        check(
            r#"say "hi" \ é"#,
            100,
            7,
            r#"{"data":{"name":"say \"hi\" \\ é","price":1.00,"quantity":7}}"#,
        );
    }
}
