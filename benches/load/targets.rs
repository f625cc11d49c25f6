//! What the figures shall be, at 32 connections on SQLite, and whether they are.

use super::client::Flow;
use super::floor::Floor;
use super::measure::Figures;

#[derive(Default)]
pub struct Verdict {
    lines: Vec<(String, f64, f64)>,
}

impl Verdict {
    pub fn judge(&mut self, flow: Flow, figures: &Figures, floor: &Floor) {
        let most = match flow {
            Flow::Silent => 2.0 * floor.rs256,
            Flow::SilentEs256 => 4.0 * floor.es256,
            Flow::ClientCredentials => 0.2,
            Flow::Refresh => 0.3,
            Flow::Introspection | Flow::UserInfo => 0.15,
            Flow::MetStepUp => 0.25,
            // A page is not bounded; a password has a judge of its own.
            Flow::UnmetStepUp | Flow::Password => return,
        };
        self.at_most(&format!("{}: CPU ms", flow.name()), figures.cpu, most);
    }

    /// `argon2`: CPU milliseconds of one hash.
    pub fn judge_password(&mut self, figures: &Figures, argon2: f64) {
        self.at_most(&format!("{}: CPU ms", Flow::Password.name()), figures.cpu, 1.15 * argon2);
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
