//! What the figures shall be, at 32 connections on SQLite, and whether they are.

use super::client::Flow;
use super::floor::Floor;
use super::measure::Figures;

#[derive(Default)]
pub struct Verdict {
    lines: Vec<(String, f64, f64)>,
}

/// What no provider can go below, and how many times that the flow may cost.
pub fn floor(flow: Flow) -> Option<(Floor, f64)> {
    match flow {
        Flow::Silent => Some((Floor::Bare("RS256"), 2.0)),
        Flow::SilentEs256 => Some((Floor::Bare("ES256"), 4.0)),
        Flow::Password => Some((Floor::Argon2, 1.15)),
        _ => None,
    }
}

impl Verdict {
    pub fn judge(&mut self, flow: Flow, figures: &Figures) {
        let most = match flow {
            Flow::ClientCredentials => 0.2,
            Flow::Refresh => 0.3,
            Flow::Introspection | Flow::UserInfo => 0.15,
            Flow::MetStepUp => 0.25,
            // A page is not bounded; the others are judged beside their floors.
            Flow::UnmetStepUp | Flow::Silent | Flow::SilentEs256 | Flow::Password => return,
        };
        self.at_most(&cpu_of(flow), figures.cpu, most);
    }

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

pub fn cpu_of(flow: Flow) -> String {
    format!("{}: CPU ms", flow.name())
}
