//! `ExplainPick`: a question out of a request, and an answer out of an explained pick.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use speedmimi_model::{AlgorithmSource, Kind};
use speedmimi_policy::Order;
use speedmimi_proto::v1;
use speedmimi_proto::v1::explain_pick_request::Subject as WireSubject;
use tonic::Status;

use super::status::{self, Violations};
use super::{convert, entry, stream};
use crate::control::streams::{Candidate, ExplainError, NotExplained, Obstacle, Question, Rule, Subject};
use crate::control::{Caller, Control, Refused};
use crate::protocol::Protocol;

/// Asks the worker that the request names.
pub(super) async fn explain(
    control: &Control,
    by: &Caller,
    request: v1::ExplainPickRequest,
) -> Result<v1::ExplainPickResponse, Status> {
    let worker = request.worker;
    let mut violations = Violations::default();
    let workers = control.live().workers().len();
    if usize::try_from(worker).map_or(true, |worker| worker >= workers) {
        violations.push("worker", format!("{worker} is not within 0..{}", workers.saturating_sub(1)));
    }
    let question = read(request, &mut violations);
    violations.check()?;
    let subject = question.subject.clone();
    let explained =
        control.explain(worker as usize, question, by).await.map_err(|error| refused(control, &subject, error))?;
    let (pick, refusal) = match explained.pick {
        Ok(pick) => {
            let refusal = pick.winner.err();
            (Some(pick), refusal)
        }
        Err(reason) => (None, Some(reason)),
    };
    let mut response = v1::ExplainPickResponse {
        worker,
        revision: explained.revision,
        client: explained.client.to_string(),
        protocol: stream::wire_protocol(explained.protocol),
        route: explained.route.into(),
        rule: explained.rule.map(|Rule { host, path, exact }| v1::MatchedRule { host, path, exact }),
        refusal: refusal.map(|reason| reason.token().to_owned()).unwrap_or_default(),
        ..v1::ExplainPickResponse::default()
    };
    if let Some(pick) = pick {
        let winner = pick.winner.ok();
        let candidates = pick.backends.iter().enumerate();
        let view = control.view();
        let drains = |found: &Candidate| view.store.drain_of(&pick.upstream, &found.id).is_some();
        response.candidates =
            candidates.map(|(index, found)| candidate(found, drains(found), winner == Some(index))).collect();
        response.winner = winner.map(|index| pick.backends[index].id.to_string()).unwrap_or_default();
        response.upstream = pick.upstream.into();
        response.load_balancer = entry::load_balancer(pick.algorithm);
        response.source = source(pick.source).into();
        response.order = order(pick.order).into();
        response.ejections_ignored = pick.ejections_ignored;
    }
    Ok(response)
}

fn refused(control: &Control, subject: &Subject, error: ExplainError) -> Status {
    let view = control.view();
    let config = view.store.config();
    match (error, subject) {
        (ExplainError::Question(NotExplained::NoUpstream), Subject::Upstream(name)) => {
            status::not_found(Kind::Upstream, name, config.upstreams.keys().cloned().collect())
        }
        (ExplainError::Question(NotExplained::NoRoute), Subject::Route(name)) => {
            status::not_found(Kind::Route, name, config.routes.keys().cloned().collect())
        }
        (ExplainError::Question(error), _) => {
            let mut violations = Violations::default();
            violations.push("request", error.to_string());
            violations.check().expect_err("there is one")
        }
        (ExplainError::Crowded(crowded), _) => status::crowded(&crowded),
        (ExplainError::Stopping, _) => status::refused(&Refused::Stopping),
    }
}

fn read(request: v1::ExplainPickRequest, violations: &mut Violations) -> Question {
    let v1::ExplainPickRequest { subject, client, protocol, worker: _ } = request;
    let protocol = stream::read_protocol("protocol", protocol, violations);
    if protocol.is_some() && matches!(subject, Some(WireSubject::Request(_))) {
        violations.push("protocol", "a request says it by its headers; leave it out");
    }
    let subject = match subject {
        None => {
            violations.push("subject", "upstream, route or request is needed");
            Subject::Upstream(String::new())
        }
        Some(WireSubject::Upstream(name)) => {
            Subject::Upstream(convert::needed("upstream", &name, violations).to_owned())
        }
        // The implicit route has an empty name.
        Some(WireSubject::Route(name)) => Subject::Route(name),
        Some(WireSubject::Request(request)) => Subject::Request(head(&request, violations)),
    };
    Question { subject, client: address(&client, violations), protocol: protocol.unwrap_or(Protocol::Http) }
}

fn address(text: &str, violations: &mut Violations) -> IpAddr {
    let nobody = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if text.is_empty() {
        return nobody;
    }
    text.parse::<IpAddr>().map(|address| address.to_canonical()).unwrap_or_else(|_| {
        violations.push("client", format!("{text:?} is no address"));
        nobody
    })
}

/// The head as a client would send it. Whether it is a good one is for the worker to say, by the rules of traffic; here
/// it is seen to that each part stays where it stands.
fn head(request: &v1::ExampleRequest, violations: &mut Violations) -> Vec<u8> {
    let v1::ExampleRequest { method, host, path, headers } = request;
    let mut check = |field: &str, text: &str, blanks: bool| {
        if text.chars().any(|letter| letter.is_control() || (!blanks && letter == ' ')) {
            let what = if blanks { "control characters" } else { "blanks or control characters" };
            violations.push(field, format!("{text:?} has {what}"));
        }
    };
    check("request.method", method, false);
    check("request.host", host, false);
    check("request.path", path, false);
    for (index, field) in headers.iter().enumerate() {
        check(&format!("request.headers[{index}].name"), &field.name, false);
        check(&format!("request.headers[{index}].value"), &field.value, true);
    }
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    let mut text = format!("{} {} HTTP/1.1\r\n", or(method, "GET"), or(path, "/"));
    // Writing to a String cannot fail.
    if !headers.iter().any(|field| field.name.eq_ignore_ascii_case("host")) {
        let _ = write!(text, "Host: {}\r\n", or(host, "localhost"));
    } else if !host.is_empty() {
        violations.push("request.headers", "Host is given twice: also as host");
    }
    for v1::HeaderField { name, value } in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

fn candidate(candidate: &Candidate, drains: bool, winner: bool) -> v1::PickCandidate {
    let considered = candidate.considered;
    v1::PickCandidate {
        backend_id: candidate.id.to_string(),
        skip: candidate.obstacle.map_or(v1::SkipReason::Unspecified, |obstacle| skip(obstacle, drains)).into(),
        in_flight: considered.in_flight,
        max_conn: candidate.cap,
        weight: considered.weight,
        factor: considered.factor,
        key: format!("{:016x}", considered.key),
        share: considered.share,
        score: considered.score,
        chance: considered.chance,
        winner,
    }
}

/// Workers see a closed gate; why it is closed stands in the store.
fn skip(obstacle: Obstacle, drains: bool) -> v1::SkipReason {
    match obstacle {
        Obstacle::Disabled if drains => v1::SkipReason::Draining,
        Obstacle::Disabled => v1::SkipReason::Disabled,
        Obstacle::Down => v1::SkipReason::Down,
        Obstacle::Unknown => v1::SkipReason::Unknown,
        Obstacle::Ejected => v1::SkipReason::Ejected,
        Obstacle::Full => v1::SkipReason::Full,
        Obstacle::NoAddress => v1::SkipReason::NoAddress,
    }
}

fn source(source: AlgorithmSource) -> v1::AlgorithmSource {
    match source {
        AlgorithmSource::Protocol => v1::AlgorithmSource::Protocol,
        AlgorithmSource::Route => v1::AlgorithmSource::Route,
        AlgorithmSource::Upstream => v1::AlgorithmSource::Upstream,
        AlgorithmSource::Default => v1::AlgorithmSource::Default,
    }
}

fn order(order: Order) -> v1::ScoreOrder {
    match order {
        Order::LowestWins => v1::ScoreOrder::LowestWins,
        Order::HighestWins => v1::ScoreOrder::HighestWins,
        Order::Drawn => v1::ScoreOrder::Drawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> v1::HeaderField {
        v1::HeaderField { name: name.into(), value: value.into() }
    }

    #[test]
    fn a_head_is_what_a_client_would_send() {
        let mut violations = Violations::default();
        let request = v1::ExampleRequest {
            host: "a.example".into(),
            headers: vec![field("Accept", "text/event-stream")],
            ..Default::default()
        };
        let head = head(&request, &mut violations);
        violations.check().expect("nothing is wrong");
        assert_eq!(head, b"GET / HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\n\r\n");
    }

    #[test]
    fn no_part_of_a_request_becomes_another() {
        let mut violations = Violations::default();
        let request = v1::ExampleRequest {
            method: "GET /x".into(),
            host: "a\r\nX: 1".into(),
            path: "/ HTTP/1.0".into(),
            headers: vec![field("A: b", "c"), field("A", "b\r\n"), field("host", "x")],
        };
        head(&request, &mut violations);
        let faults = violations.check().expect_err("every part is wrong").message().to_owned();
        for part in ["method", "host", "path", "headers[0].name", "headers[1].value", "headers: Host is given twice"] {
            assert!(faults.contains(&format!("request.{part}")), "{part} in {faults}");
        }
    }
}
