//! What the figures shall be, at 32 connections on SQLite, and whether they are.

use super::client::Flow;
use super::floor::Floor;

#[derive(Default)]
pub struct Verdict {
    lines: Vec<(String, f64, f64)>,
}

/// What the CPU of a flow is held against.
pub enum Most {
    Milliseconds(f64),
    /// So many times what no provider can go below.
    Times(f64, Floor),
}

/// `None`: a page is not bounded.
pub fn most(flow: Flow) -> Option<Most> {
    match flow {
        Flow::Silent => Some(Most::Times(2.0, Floor::Bare("RS256"))),
        Flow::SilentEs256 => Some(Most::Times(4.0, Floor::Bare("ES256"))),
        Flow::Password => Some(Most::Times(1.15, Floor::Argon2)),
        Flow::ClientCredentials => Some(Most::Milliseconds(0.2)),
        Flow::Refresh => Some(Most::Milliseconds(0.3)),
        Flow::Introspection | Flow::UserInfo => Some(Most::Milliseconds(0.15)),
        Flow::MetStepUp => Some(Most::Milliseconds(0.25)),
        Flow::UnmetStepUp => None,
    }
}

impl Verdict {
    pub fn at_most(&mut self, what: &str, is: f64, most: f64) {
        self.lines.push((what.to_owned(), is, most));
    }

    /// `true` if nothing is missed.
    pub fn print(&self) -> bool {
        println!("\n## Targets\n\n| what | is | at most | |\n|---|--:|--:|---|");
        for (what, is, most) in &self.lines {
            let said = if is <= most {
                "met".to_owned()
            } else {
                format!("missed by {:.0} %", (is / most - 1.0) * 100.0)
            };
            println!("| {what} | {is:.3} | {most:.3} | {said} |");
        }
        self.lines.iter().all(|(_, is, most)| is <= most)
    }
}
