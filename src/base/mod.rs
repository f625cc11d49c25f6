//! What everything else stands on: time, chance, secrets, ids, and who waits. No I/O beyond the system's clock and entropy.

pub mod crowd;
pub mod entropy;
pub mod id;
pub mod secret;
pub mod time;
