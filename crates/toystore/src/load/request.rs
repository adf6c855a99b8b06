//! The bytes of a request: prepared once for each toy, so that sending one is a copy.
//!
//! Pure. Made by the command when it knows the toys, used by [`super::worker`].

use std::io::Write as _;

use serde_json::json;

use crate::http::connection::Url;
use crate::http::wire::segment;

/// All requests for all toys, before keys and numbers.
pub struct Prepared {
    /// What toys are called, by place.
    names: Vec<String>,
    /// `GET /products/…`, for each address the whole request, by place.
    reads: Vec<Vec<Vec<u8>>>,
    /// The body of an order up to the quantity, by place.
    orders: Vec<Vec<u8>>,
    /// The `Host` line of each address.
    hosts: Vec<Vec<u8>>,
    /// What makes keys that no other run has had: the same seed must not repeat them, or the store
    /// would answer from its memory.
    run: u64,
}

impl Prepared {
    /// Those for these toys at these addresses.
    pub fn new(urls: &[Url], names: Vec<String>, run: u64) -> Prepared {
        let host = |url: &Url| format!("host: {}\r\n", url.authority()).into_bytes();
        let hosts: Vec<Vec<u8>> = urls.iter().map(host).collect();
        let read = |host: &Vec<u8>, name: &String| {
            let mut read = format!("GET /products/{} HTTP/1.1\r\n", segment(name)).into_bytes();
            read.extend_from_slice(host);
            read.extend_from_slice(b"\r\n");
            read
        };
        let reads = hosts.iter().map(|host| names.iter().map(|name| read(host, name)).collect());
        let order = |name: &String| format!("{{\"name\":{},\"quantity\":", json!(name)).into();
        Prepared {
            reads: reads.collect(),
            orders: names.iter().map(order).collect(),
            hosts,
            names,
            run,
        }
    }

    /// How many toys there are.
    pub fn toys(&self) -> usize {
        self.names.len()
    }

    /// What a toy is called.
    pub fn name(&self, toy: usize) -> &str {
        &self.names[toy]
    }

    /// Writes a read of a toy.
    pub fn read(&self, address: usize, toy: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.reads[address][toy]);
    }

    /// The `Idempotency-Key` of an order; `thread` and `sequence` are those of no other order of
    /// this run.
    pub fn key(&self, (thread, sequence): (usize, u64)) -> String {
        format!("load-{:x}-{thread}-{sequence}", self.run)
    }

    /// Writes an order under that key.
    pub fn order(
        &self,
        (address, toy, quantity): (usize, usize, u32),
        key: (usize, u64),
        out: &mut Vec<u8>,
    ) {
        let body = &self.orders[toy];
        let digits = quantity.checked_ilog10().unwrap_or(0) as usize + 1;
        out.extend_from_slice(b"POST /orders HTTP/1.1\r\n");
        out.extend_from_slice(&self.hosts[address]);
        write!(
            out,
            "content-type: application/json\r\nidempotency-key: {}\r\ncontent-length: {}\r\n\r\n",
            self.key(key),
            body.len() + digits + 1,
        )
        .expect("a vector takes everything");
        out.extend_from_slice(body);
        write!(out, "{quantity}}}").expect("a vector takes everything");
    }

    /// Writes a read of an order.
    pub fn order_query(&self, address: usize, number: u64, out: &mut Vec<u8>) {
        write!(out, "GET /orders/{number} HTTP/1.1\r\n").expect("a vector takes everything");
        out.extend_from_slice(&self.hosts[address]);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_the_store_expects() {
        let urls: Vec<Url> = vec!["http://127.0.0.1:1".parse().unwrap()];
        let prepared = Prepared::new(&urls, vec!["Tux".into(), "Rubik's Cube".into()], 0xab);
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(&|out| prepared.read(0, 1, out)),
            "GET /products/Rubik%27s%20Cube HTTP/1.1\r\nhost: 127.0.0.1:1\r\n\r\n"
        );
        assert_eq!(
            written(&|out| prepared.order_query(0, 17, out)),
            "GET /orders/17 HTTP/1.1\r\nhost: 127.0.0.1:1\r\n\r\n"
        );
        for quantity in [1, 9, 10, 1_000_000] {
            let order = written(&|out| prepared.order((0, 0, quantity), (0, 5), out));
            let (head, body) = order.split_once("\r\n\r\n").unwrap();
            assert_eq!(body, format!("{{\"name\":\"Tux\",\"quantity\":{quantity}}}"));
            assert!(head.ends_with(&format!("content-length: {}", body.len())), "{order}");
            assert!(head.contains("idempotency-key: load-ab-0-5\r\n"), "{order}");
        }
    }
}
