//! The frontend service.
