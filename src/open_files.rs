//! How many files may be open at once: each connection of a client is one, and so is each to the database.

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;

/// Some thousand clients at once, with room for what the server itself holds.
const WANTED: u64 = 4_096;

/// Raises the limit to what may be had without anybody's leave, and says what it is.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(why) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%why, "open_files.not_raised");
    }
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < WANTED => tracing::warn!(
            limit,
            wanted = WANTED,
            "open_files.too_few: RLIMIT_NOFILE is too low for many clients at once; set LimitNOFILE= in the systemd unit, or \
             ulimits: nofile: in docker-compose.yml"
        ),
        Some(limit) => tracing::info!(limit, "open_files"),
        None => tracing::info!(limit = "none", "open_files"),
    }
}
