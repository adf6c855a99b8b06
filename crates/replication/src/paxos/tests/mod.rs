//! The engine in a small world.
