//! The text exposition format of Prometheus, version 0.0.4.

use std::fmt::Write as _;

use crate::telemetry::histogram::{self, BUCKETS};

/// Upper bounds of exported duration buckets, in microseconds: few, so that a backend costs a dozen lines.
///
/// The counts come from the finer internal buckets: a duration within 12.5 % below a bound may count in the next one.
const BOUNDS: [u64; 13] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 30_000_000,
];

/// What a metric counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A document being written.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a family; samples of other families may not follow until all of its own are written.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// One number that has no fraction.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels = Self::labels(labels);
        self.line(format_args!("{name}{labels} {value}"));
    }

    /// One number of seconds.
    pub(super) fn seconds(&mut self, name: &str, labels: &[(&str, &str)], micros: u64) {
        let labels = Self::labels(labels);
        self.line(format_args!("{name}{labels} {}", micros as f64 / 1e6));
    }

    /// A histogram of durations. The sum is taken at the middle of the internal buckets, at most 6 % off.
    pub(super) fn histogram(&mut self, name: &str, labels: &[(&str, &str)], counts: &[u32; BUCKETS]) {
        let mut total = 0u64;
        let mut sum = 0f64;
        let mut bounds = BOUNDS.iter().peekable();
        for (index, &count) in counts.iter().enumerate() {
            let top = histogram::upper_bound(index);
            while let Some(bound) = bounds.next_if(|&&bound| bound < top) {
                self.bucket(name, labels, &(*bound as f64 / 1e6).to_string(), total);
            }
            let bottom = if index == 0 { 0 } else { histogram::upper_bound(index - 1) + 1 };
            total += u64::from(count);
            sum += f64::from(count) * ((bottom + top) as f64 / 2e6);
        }
        self.bucket(name, labels, "+Inf", total);
        let labels = Self::labels(labels);
        self.line(format_args!("{name}_sum{labels} {sum}"));
        self.line(format_args!("{name}_count{labels} {total}"));
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn bucket(&mut self, name: &str, labels: &[(&str, &str)], bound: &str, count: u64) {
        let labels = Self::labels(&[labels, &[("le", bound)]].concat());
        self.line(format_args!("{name}_bucket{labels} {count}"));
    }

    fn labels(labels: &[(&str, &str)]) -> String {
        if labels.is_empty() {
            return String::new();
        }
        let mut text = String::from("{");
        for (index, (name, value)) in labels.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(name);
            text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => text.push_str("\\\\"),
                    '"' => text.push_str("\\\""),
                    '\n' => text.push_str("\\n"),
                    other => text.push(other),
                }
            }
            text.push('"');
        }
        text.push('}');
        text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        self.0.write_fmt(line).expect("writing to a String never fails");
        self.0.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.sample("m", &[("route", "a\"b\\c\nd")], 7);
        assert_eq!(text.finish(), "m{route=\"a\\\"b\\\\c\\nd\"} 7\n");
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_with_everything() {
        let mut counts = [0; BUCKETS];
        for micros in [100, 900, 900, 40_000_000] {
            counts[histogram::bucket(micros)] += 1;
        }
        let mut text = Text::default();
        text.histogram("d_seconds", &[], &counts);
        let text = text.finish();
        for line in [
            "d_seconds_bucket{le=\"0.0005\"} 1",
            "d_seconds_bucket{le=\"0.001\"} 3",
            "d_seconds_bucket{le=\"30\"} 3",
            "d_seconds_bucket{le=\"+Inf\"} 4",
            "d_seconds_count 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
        }
        assert_eq!(text.lines().filter(|line| line.contains("_bucket")).count(), BOUNDS.len() + 1);
    }
}
