//! How the Raft engine is tested.
