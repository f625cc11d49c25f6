//! What is counted, for Prometheus (OpenMetrics text): the one home of prometheus-client. Labels are bounded: methods, classes
//! of the policy, error codes, routes; never a name, an id or anything that a stranger writes. `docs/operations.md` lists them.

use crate::assurance::ledger::Method;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

type Labels = Vec<(&'static str, String)>;

pub struct Metrics {
    registry: Registry,
    proofs: Family<Labels, Counter>,
    sign_ins: Family<Labels, Counter>,
    step_ups: Family<Labels, Counter>,
    authorizations: Family<Labels, Counter>,
    tokens: Family<Labels, Counter>,
    mails: Family<Labels, Counter>,
    swept: Counter,
    sweep_failures: Counter,
    requests: Family<Labels, Histogram>,
}

/// Seconds: a signature takes one millisecond, a password hash tens of them.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("stepgate");
        let family = |registry: &mut Registry, name: &str, help: &str| {
            let family = Family::<Labels, Counter>::default();
            registry.register(name, help, family.clone());
            family
        };
        let requests = Family::new_with_constructor(histogram as fn() -> Histogram);
        registry.register(
            "request_seconds",
            "Time to answer, by route and class of status",
            requests.clone(),
        );
        let (swept, sweep_failures) = (Counter::default(), Counter::default());
        registry.register("swept_rows", "Expired rows that were taken away", swept.clone());
        registry.register("sweep_failures", "Clean-ups that failed", sweep_failures.clone());
        Self {
            proofs: family(&mut registry, "proofs", "Single proofs, by method and outcome"),
            sign_ins: family(&mut registry, "sign_ins", "Sessions opened, by the methods shown and outcome"),
            step_ups: family(
                &mut registry,
                "step_ups",
                "Requests for a class or an age by somebody signed in, by class and outcome",
            ),
            authorizations: family(&mut registry, "authorizations", "Authorization responses, by outcome"),
            tokens: family(&mut registry, "tokens", "Token responses, by grant and outcome"),
            mails: family(&mut registry, "mails", "Tries to send a mail, by outcome"),
            swept,
            sweep_failures,
            requests,
            registry,
        }
    }
}

impl Metrics {
    /// `given`, `failed` or `braked`.
    pub fn proof(&self, method: Method, outcome: &'static str) {
        count(&self.proofs, [("method", method.as_str()), ("outcome", outcome)]);
    }

    /// `done`, or `failed` when it could not be written and left nothing behind.
    pub fn sign_in(&self, methods: &str, outcome: &'static str) {
        count(&self.sign_ins, [("methods", methods), ("outcome", outcome)]);
    }

    /// `met` without a page, `asked`, `done` after one, or the error code.
    pub fn step_up(&self, class: &str, outcome: &'static str) {
        count(&self.step_ups, [("class", class), ("outcome", outcome)]);
    }

    /// `code`, or the error code.
    pub fn authorization(&self, outcome: &'static str) {
        count(&self.authorizations, [("outcome", outcome)]);
    }

    /// `issued`, or the error code.
    pub fn token(&self, grant: &'static str, outcome: &'static str) {
        count(&self.tokens, [("grant", grant), ("outcome", outcome)]);
    }

    /// `sent`, `failed` when it is tried again, or `given_up`.
    pub fn mail(&self, outcome: &'static str) {
        count(&self.mails, [("outcome", outcome)]);
    }

    pub fn swept(&self, rows: usize) {
        self.swept.inc_by(rows as u64);
    }

    pub fn sweep_failed(&self) {
        self.sweep_failures.inc();
    }

    pub fn request(&self, route: String, status: u16, took: Duration) {
        let labels = vec![("route", route), ("status", format!("{}xx", status / 100))];
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

fn count<const N: usize>(family: &Family<Labels, Counter>, labels: [(&'static str, &str); N]) {
    let labels = labels.map(|(name, value)| (name, value.to_owned())).to_vec();
    family.get_or_create(&labels).inc();
}
