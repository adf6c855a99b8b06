//! The bug zoo on real processes: each test would fail if we had the bug that it is named after.
