//! A pick, and why it is that one.

use speedmimi_proto::v1::{AlgorithmSource, ExplainPickResponse, MatchedRule, PickCandidate, ScoreOrder};

use super::text::{choice, number, round};
use super::{Block, View};

/// From the request to the backend, then everybody who was considered.
pub(crate) fn explained(response: &ExplainPickResponse) -> View {
    let source = match response.source() {
        AlgorithmSource::Unspecified => "",
        AlgorithmSource::Protocol => " (protocols of the route)",
        AlgorithmSource::Route => " (the route's)",
        AlgorithmSource::Upstream => " (the upstream's)",
        AlgorithmSource::Default => " (the default)",
    };
    let algorithm = choice(response.load_balancer().as_str_name(), "LOAD_BALANCER_");
    let rows = [
        ("client", response.client.clone()),
        ("protocol", choice(response.protocol().as_str_name(), "STREAM_PROTOCOL_")),
        ("route", response.route.clone()),
        ("because", response.rule.as_ref().map(rule).unwrap_or_default()),
        ("upstream", response.upstream.clone()),
        ("algorithm", format!("{algorithm}{source}")),
        ("judged by", judged_by(response).to_owned()),
        ("picked", picked(response)),
        ("worker", format!("{} (revision {})", response.worker, response.revision)),
    ];
    let mut view = View(vec![Block::properties(rows)]);
    if !response.candidates.is_empty() {
        const HEADER: &[&str] =
            &["BACKEND", "PICK", "SKIPPED", "IN-FLIGHT", "MAX-CONN", "WEIGHT", "FACTOR", "SCORE", "CHANCE"];
        view.0.push(Block::Table { header: HEADER, rows: response.candidates.iter().map(row).collect() });
    }
    view
}

fn picked(response: &ExplainPickResponse) -> String {
    let ignored =
        if response.ejections_ignored { " (nobody else is left: failed connections are overlooked)" } else { "" };
    if response.winner.is_empty() {
        format!("nobody: the request is refused with {}", response.refusal)
    } else {
        format!("{}{ignored}", response.winner)
    }
}

fn rule(rule: &MatchedRule) -> String {
    let path = if rule.exact { format!("path is {}", rule.path) } else { format!("path begins with {}", rule.path) };
    if rule.host.is_empty() { format!("any host, {path}") } else { format!("host fits {}, {path}", rule.host) }
}

fn judged_by(response: &ExplainPickResponse) -> &'static str {
    let algorithm = response.load_balancer().as_str_name();
    match (response.order(), algorithm) {
        (ScoreOrder::Unspecified, _) => "",
        (ScoreOrder::Drawn, _) => "chance alone",
        (_, "LOAD_BALANCER_ROUND_ROBIN") => "turns until its own: the lowest wins",
        (_, "LOAD_BALANCER_WEIGHTED_ROUND_ROBIN") => "picks saved up: the highest wins",
        (_, "LOAD_BALANCER_IP_HASH") => "its rank for this client: the highest wins",
        (_, "LOAD_BALANCER_LEAST_CONNECTIONS") => "in flight + 1: the lowest wins",
        (_, "LOAD_BALANCER_LEAST_CONNECTIONS_WEIGHT") => "(in flight + 1) / weight: the lowest wins",
        (_, "LOAD_BALANCER_PERFORMANCE_LEAST_CONNECTIONS_WEIGHT") => {
            "(in flight + 1) / (weight x factor): the lowest wins"
        }
        (ScoreOrder::LowestWins, _) => "the lowest score wins",
        (ScoreOrder::HighestWins, _) => "the highest score wins",
    }
}

fn row(candidate: &PickCandidate) -> Vec<String> {
    vec![
        candidate.backend_id.clone(),
        if candidate.winner { "yes".to_owned() } else { String::new() },
        choice(candidate.skip().as_str_name(), "SKIP_REASON_"),
        candidate.in_flight.to_string(),
        number(Some(candidate.max_conn).filter(|&cap| cap > 0)),
        candidate.weight.to_string(),
        round(candidate.factor).to_string(),
        candidate.score.map(significant).unwrap_or_default(),
        candidate.chance.map(|chance| format!("{}%", round(chance * 100.0))).unwrap_or_default(),
    ]
}

/// Four digits that count: scores are small fractions with some algorithms, and hundreds with others.
fn significant(score: f64) -> String {
    let whole_digits = if score.abs() < f64::MIN_POSITIVE { 0.0 } else { score.abs().log10().floor() };
    let decimals = (3.0 - whole_digits).clamp(0.0, 9.0) as usize;
    let text = format!("{score:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn scores_show_the_digits_that_count() {
        let cases =
            [(0.0, "0"), (0.01, "0.01"), (1.0 / 300.0, "0.003333"), (1234.567, "1235"), (2.0, "2"), (0.75, "0.75")];
        for (score, text) in cases {
            assert_eq!(significant(score), text);
        }
    }
}
