//! Primary-backup: the course's rule (the highest live id leads) made safe by a view.

pub mod message;

pub use message::Message;
