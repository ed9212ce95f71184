//! The text in which Prometheus reads metrics (exposition format 0.0.4).
//!
//! Our own hundred lines instead of `prometheus-client`: that writes OpenMetrics, which names counters without `_total` in `HELP`
//! and `TYPE`, so that `promtool check metrics` finds every counter without help; and our counters are our own in any case.

use std::fmt::Display;

use crate::observe::histogram::Snapshot;

/// What kind of numbers a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only grow, until a restart.
    Counter,
    /// They go up and down.
    Gauge,
    /// Durations by size.
    Histogram,
}

/// A text that grows family by family.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// One family: all samples of one name.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

/// Labels: names and values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Begins a family.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { text: &mut self.0, name }
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Adds a sample.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, value);
    }

    /// Adds a histogram.
    pub fn histogram(&mut self, labels: Labels<'_>, durations: &Snapshot) {
        for (bound, count) in durations.cumulative() {
            let mut all = labels.to_vec();
            all.push(("le", bound));
            self.line("_bucket", &all, count);
        }
        self.line("_sum", labels, durations.seconds());
        self.line("_count", labels, durations.count());
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (at, (name, value)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            value.chars().for_each(|letter| escape(self.text, letter));
            self.text.push('"');
        }
        let end = if labels.is_empty() { " " } else { "} " };
        self.text.push_str(&format!("{end}{value}\n"));
    }
}

fn escape(text: &mut String, letter: char) {
    match letter {
        '\\' => text.push_str("\\\\"),
        '"' => text.push_str("\\\""),
        '\n' => text.push_str("\\n"),
        other => text.push(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::observe::histogram::Histogram;

    /// The attack: a name that closes its quotes and adds a series.
    #[test]
    fn a_label_stays_in_its_quotes() {
        let mut text = Exposition::default();
        text.family("x_total", Kind::Counter, "Of x.").sample(&[("app", "a\"} 1\nforged{b=\"\\"), ("b", "é")], 7);
        text.single("y", Kind::Gauge, "Of y.", 1.5);
        assert_eq!(
            text.into_text(),
            "# HELP x_total Of x.\n# TYPE x_total counter\nx_total{app=\"a\\\"} 1\\nforged{b=\\\"\\\\\",b=\"é\"} 7\n\
             # HELP y Of y.\n# TYPE y gauge\ny 1.5\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_all_of_it() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(7));
        let mut text = Exposition::default();
        text.family("z_seconds", Kind::Histogram, "Of z.").histogram(&[("app", "a")], &histogram.snapshot());
        let text = text.into_text();
        assert!(
            text.contains("z_seconds_bucket{app=\"a\",le=\"0.005\"} 0\nz_seconds_bucket{app=\"a\",le=\"0.01\"} 1\n"),
            "{text}"
        );
        assert!(text.ends_with("le=\"+Inf\"} 1\nz_seconds_sum{app=\"a\"} 0.007\nz_seconds_count{app=\"a\"} 1\n"), "{text}");
    }
}
