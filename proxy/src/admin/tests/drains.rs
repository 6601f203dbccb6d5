//! Drains as their callers see them.

use tonic::Streaming;

use super::watches::next;
use super::*;

impl Proxy {
    async fn drain(
        &self,
        request: v1::DrainBackendRequest,
    ) -> Result<Streaming<v1::DrainBackendResponse>, tonic::Status> {
        let request = v1::DrainBackendRequest { backend_id: ONE.into(), ..request };
        Ok(self.backends().drain_backend(request).await?.into_inner())
    }
}

#[tokio::test]
async fn a_drain_closes_the_gate_tells_what_is_left_and_ends() {
    let proxy = Proxy::start().await;
    let state = proxy.live.find_backend("default", ONE).expect("there");
    state.slots.try_acquire().expect("it is free");
    let request = v1::DrainBackendRequest { then: v1::DrainThen::Disable.into(), ..Default::default() };
    let mut drain = proxy.drain(request.clone()).await.expect("it begins");
    let first = next(&mut drain).await;
    assert_eq!((first.revision, first.phase(), first.remaining), (2, v1::DrainPhase::Draining, 1));
    assert!(state.slots.is_closed() && !first.attached);
    let shown = proxy.get(ONE).await.expect("there").status.expect("set");
    assert_eq!((shown.admin_state(), shown.revision), (v1::AdminState::Draining, 2));
    for again in [request, v1::DrainBackendRequest::default()] {
        let mut looking_on = proxy.drain(again).await.expect("it looks on");
        assert!(next(&mut looking_on).await.attached);
    }
    let other = v1::DrainBackendRequest { then: v1::DrainThen::Remove.into(), ..Default::default() };
    let refused = proxy.drain(other).await.expect_err("it drains otherwise");
    assert_eq!(refused.get_error_details().error_info().expect("a reason").reason, "DRAINING");
    state.slots.release();
    let last = loop {
        let message = next(&mut drain).await;
        if message.phase() != v1::DrainPhase::Draining {
            break message;
        }
    };
    assert_eq!((last.phase(), last.remaining, last.revision), (v1::DrainPhase::Drained, 0, 3));
    assert!(drain.message().await.expect("it ended well").is_none());
    let entry = proxy.get(ONE).await.expect("there");
    assert_eq!(entry.status.map(|status| status.admin_state), Some(v1::AdminState::Disabled.into()));
    assert_eq!(entry.backend.and_then(|backend| backend.active), Some(false));
}

#[tokio::test]
async fn enable_cancels_a_drain_and_disable_and_remove_take_its_place() {
    for (ended, phase) in [(0, v1::DrainPhase::Cancelled), (1, v1::DrainPhase::Disabled), (2, v1::DrainPhase::Removed)]
    {
        let proxy = Proxy::start().await;
        let state = proxy.live.find_backend("default", ONE).expect("there");
        state.slots.try_acquire().expect("it is free");
        let mut drain = proxy.drain(v1::DrainBackendRequest::default()).await.expect("it begins");
        match ended {
            0 => proxy.enable().await,
            1 => {
                let disable = v1::DisableBackendRequest { backend_id: ONE.into(), ..Default::default() };
                proxy.backends().disable_backend(disable).await.expect("it exists");
            }
            _ => {
                let remove = v1::RemoveBackendRequest { backend_id: ONE.into(), force: true, ..Default::default() };
                proxy.backends().remove_backend(remove).await.expect("it exists");
            }
        }
        let mut last = next(&mut drain).await;
        while let Some(message) = drain.message().await.expect("it ends well") {
            last = message;
        }
        assert_eq!((last.phase(), last.remaining, last.revision), (phase, 1, 3));
        assert_eq!(state.slots.is_closed(), ended != 0);
    }
}

#[tokio::test]
async fn a_drain_with_nothing_in_flight_is_over_at_once_and_stays_so() {
    let proxy = Proxy::start().await;
    let validate = v1::DrainBackendRequest {
        options: Some(v1::MutationOptions { validate_only: true, ..Default::default() }),
        ..Default::default()
    };
    let mut tried = proxy.drain(validate).await.expect("it could begin");
    assert_eq!(next(&mut tried).await.phase(), v1::DrainPhase::Validated);
    for attached in [false, true] {
        let mut drain = proxy.drain(v1::DrainBackendRequest::default()).await.expect("it begins");
        let mut last = next(&mut drain).await;
        while let Some(message) = drain.message().await.expect("it ends well") {
            last = message;
        }
        assert_eq!((last.phase(), last.attached, last.revision), (v1::DrainPhase::Drained, attached, 2));
        let status = proxy.get(ONE).await.expect("there").status.expect("set");
        assert_eq!(status.admin_state(), v1::AdminState::Draining);
    }
    proxy.enable().await;
    assert_eq!(proxy.get(ONE).await.expect("there").status.expect("set").admin_state(), v1::AdminState::Enabled);
    let conflict = v1::DrainBackendRequest {
        options: Some(v1::MutationOptions { expected_revision: Some(1), ..Default::default() }),
        ..Default::default()
    };
    assert_eq!(proxy.drain(conflict).await.expect_err("it is at 3").code(), Code::Aborted);
}

#[tokio::test]
async fn at_a_deadline_that_keeps_a_drain_is_overdue_and_ends_with_the_last() {
    let proxy = Proxy::start().await;
    let state = proxy.live.find_backend("default", ONE).expect("there");
    state.slots.try_acquire().expect("it is free");
    let request = v1::DrainBackendRequest {
        deadline: Some(prost_types::Duration { seconds: 0, nanos: 50_000_000 }),
        then: v1::DrainThen::Remove.into(),
        ..Default::default()
    };
    let mut drain = proxy.drain(request).await.expect("it begins");
    while next(&mut drain).await.phase() != v1::DrainPhase::Overdue {}
    assert_eq!(state.slots.in_flight(), 1, "it goes on");
    state.slots.release();
    let mut last = v1::DrainPhase::Unspecified;
    while let Some(message) = drain.message().await.expect("it ends well") {
        last = message.phase();
    }
    assert_eq!(last, v1::DrainPhase::Drained);
    assert_eq!(proxy.get(ONE).await.expect_err("it is gone").code(), Code::NotFound);
    let close = v1::DrainBackendRequest { on_deadline: v1::DrainDeadline::Close.into(), ..Default::default() };
    assert_eq!(proxy.drain(close).await.expect_err("when?").code(), Code::InvalidArgument);
}
