//! What everything else stands on: time, chance, secrets, ids. No I/O beyond the system's clock and entropy.

pub mod entropy;
pub mod id;
pub mod secret;
pub mod time;
