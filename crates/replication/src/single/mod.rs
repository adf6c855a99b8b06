//! One node: every persisted entry is committed. The catalog by default.
