//! Answers that go on: server-sent events and WebSocket.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::answers::Server;
use super::stopped;

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Events {
    /// How many; 0 goes on for ever.
    events: u64,
    /// Time between two.
    interval_ms: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self { events: 10, interval_ms: 1_000 }
    }
}

/// Numbered events at a fixed pace, the first at once.
pub(super) async fn events(
    State(server): State<Arc<Server>>,
    Query(options): Query<Events>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut clock = interval(Duration::from_millis(options.interval_ms.max(1)));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let last = if options.events == 0 { u64::MAX } else { options.events };
    let stop = stopped(server.stop.clone());
    let events = stream::unfold((clock, 1), move |(mut clock, number)| {
        let server = server.clone();
        async move {
            if number > last {
                return None;
            }
            let _: Instant = clock.tick().await;
            let mut data = server.who();
            data["event"] = number.into();
            let event = Event::default().id(number.to_string()).data(data.to_string());
            Some((Ok(event), (clock, number + 1)))
        }
    });
    Sse::new(events.take_until(stop))
}

/// Sends every text and binary message back; says 1001 when the server stops.
pub(super) async fn web_socket(State(server): State<Arc<Server>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| echo(socket, server)).into_response()
}

async fn echo(mut socket: WebSocket, server: Arc<Server>) {
    let mut stop = std::pin::pin!(stopped(server.stop.clone()));
    loop {
        let message = tokio::select! {
            () = &mut stop => {
                let frame = CloseFrame { code: close_code::AWAY, reason: "stopping".into() };
                // The peer may be gone already.
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
            message = socket.recv() => message,
        };
        let Some(Ok(message)) = message else { return };
        // Pings and closes are answered by the library.
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}
