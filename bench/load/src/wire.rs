//! What a write is on the wire, for each system.
//!
//! etcd speaks gRPC: HTTP/2, a length before each message, the status in a trailer. A put is two
//! fields, so that its encoding fits here and needs no generated code. Called by `main`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::Failure;

/// The toys of the catalogue that `bench/run` makes: `toy-0000` …
const TOYS: u64 = 1000;

/// The value of a put, in bytes.
const VALUE_BYTES: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
enum System {
    Toystore,
    Etcd,
}

/// One address of a system.
pub struct Target {
    system: System,
    address: String,
    /// Makes keys that no other run has used.
    run: u128,
    written: AtomicU64,
}

impl Target {
    pub fn new(system: &str, address: &str) -> Result<Target, Failure> {
        let system = match system {
            "toystore" => System::Toystore,
            "etcd" => System::Etcd,
            other => return Err(format!("{other:?} is neither toystore nor etcd").into()),
        };
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        Ok(Target { system, address: address.to_string(), run, written: AtomicU64::new(0) })
    }

    pub async fn connect(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        Ok(match self.system {
            System::Toystore => {
                let (sender, connection) = http1::handshake(stream).await?;
                tokio::spawn(connection);
                Connection::Http1(sender)
            }
            System::Etcd => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(connection);
                Connection::Http2(sender)
            }
        })
    }

    /// An order of one toy, or a put: each with a key of its own.
    pub fn write(&self) -> Request<Full<Bytes>> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let key = format!("{:x}-{number}", self.run);
        let (address, request) = (&self.address, Request::post("/orders"));
        let request = match self.system {
            System::Toystore => {
                let body = format!("{{\"name\":\"toy-{:04}\",\"quantity\":1}}", toy(number));
                let json = request.header("content-type", "application/json");
                json.header("host", address).header("idempotency-key", key).body(body.into())
            }
            System::Etcd => Request::post(format!("http://{address}/etcdserverpb.KV/Put"))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(put(key.as_bytes()).into()),
        };
        request.expect("the parts are valid")
    }

    /// A read of a toy.
    pub fn read(&self) -> Request<Full<Bytes>> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let request = Request::get(format!("/products/toy-{:04}", toy(number)));
        request.header("host", &self.address).body(Full::default()).expect("the parts are valid")
    }
}

/// Numbers in a row become toys at random (splitmix64).
fn toy(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % TOYS
}

/// `PutRequest { key = 1, value = 2 }`, behind the five bytes of a gRPC message.
fn put(key: &[u8]) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, 0];
    for (tag, field) in [(0x0a, key), (0x12, &[b'v'; VALUE_BYTES][..])] {
        message.push(tag);
        let mut length = field.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(field);
    }
    let length = (message.len() - 5) as u32;
    message[1..5].copy_from_slice(&length.to_be_bytes());
    message
}

/// One connection, or one user of a shared one.
pub enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Another user of it, if the protocol has streams.
    pub fn share(&self) -> Option<Connection> {
        match self {
            Connection::Http1(_) => None,
            Connection::Http2(sender) => Some(Connection::Http2(sender.clone())),
        }
    }

    /// Sends, and waits for the whole answer; anything but success is a failure.
    pub async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<(), Failure> {
        let answer = match self {
            Connection::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Connection::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let status = answer.status();
        let grpc = answer.headers().get("grpc-status").cloned();
        let body = answer.into_body().collect().await?;
        let grpc =
            body.trailers().and_then(|trailers| trailers.get("grpc-status").cloned()).or(grpc);
        let succeeded = match self {
            Connection::Http1(_) => status == 200,
            Connection::Http2(_) => status == 200 && grpc.as_ref().is_some_and(|code| code == "0"),
        };
        if !succeeded {
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            return Err(format!("{status} grpc {grpc:?} {body}").into());
        }
        Ok(())
    }
}
