//! What a process has used, as the kernel counts it (proc(5)).

use std::fs;
use std::time::Duration;

/// The kernel's ticks of a second: 100 on every Linux.
const TICKS: f64 = 100.0;

/// CPU time of a process so far.
#[derive(Clone, Copy)]
pub struct Cpu(f64);

impl Cpu {
    pub fn of(id: u32) -> Self {
        Self(ticks(id).map_or(0.0, |(own, _)| own))
    }

    /// Of a process with all its children, those that have ended too.
    pub fn with_children(parent: u32) -> Self {
        let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let id = entry.ok()?.file_name().to_str()?.parse::<u32>().ok()?;
            (parent_of(id)? == parent).then(|| ticks(id)).flatten()
        });
        let (own, ended) = ticks(parent).unwrap_or_default();
        Self(own + ended + children.map(|(own, ended)| own + ended).sum::<f64>())
    }

    /// Milliseconds between the two.
    pub fn since(self, before: Self) -> f64 {
        (self.0 - before.0) * Duration::from_secs(1).as_millis() as f64 / TICKS
    }
}

pub fn parent_of(id: u32) -> Option<u32> {
    fields(id)?.get(1)?.parse().ok()
}

/// Resident memory now, in MiB.
pub fn memory(id: u32) -> f64 {
    mebibytes(id, "VmRSS:")
}

/// The most that it was since the peak was begun.
pub fn peak(id: u32) -> f64 {
    mebibytes(id, "VmHWM:")
}

/// proc_pid_clear_refs(5).
pub fn begin_peak(id: u32) {
    fs::write(format!("/proc/{id}/clear_refs"), "5").unwrap();
}

fn mebibytes(id: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Ticks of the process, and of its children that have ended.
fn ticks(id: u32) -> Option<(f64, f64)> {
    let fields = fields(id)?;
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    Some((number(11)? + number(12)?, number(13)? + number(14)?))
}

/// From the state on: what stands before it may contain anything.
fn fields(id: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split_whitespace().map(str::to_owned).collect())
}
