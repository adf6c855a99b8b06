//! The shopper service.
