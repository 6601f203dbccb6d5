//! A call that changes something: its conditions, and its answer, which is the same however often it is made.

use std::sync::Arc;

use prost::Message;
use speedmimi_proto::v1;
use tonic::{Code, Request, Response, Status};
use xxhash_rust::xxh3::xxh3_64;

use super::attempt::Attempt;
use super::sight::Sight;
use super::status::{self, Violations};
use super::{caller, convert};
use crate::access::authorise;
use crate::control::audit::{self, Deed};
use crate::control::{Answer, Call, Caller, Control, Done, Guard, Operation, Refused, Scope};

mod asks;
mod limits;

use asks::Asks;

/// Longest `request_id` in bytes.
const REQUEST_ID: usize = 128;
/// First byte of an answer that is remembered: done, and the response follows; refused, and the status follows.
const DONE: u8 = 0;
const REFUSED: u8 = 1;

/// A call on its way to the control thread.
#[derive(Debug)]
pub(super) struct Mutation {
    /// Its conditions.
    pub(super) guard: Guard,
    /// Its name, and what tells another call of that name from a repeat.
    named: Option<(String, u64)>,
    /// What the audit log has to know of it.
    attempt: Attempt,
}

impl Mutation {
    /// The call that a request makes, and the rest of the request.
    pub(super) fn open<T: Asks>(verb: &'static str, request: Request<T>, violations: &mut Violations) -> (Self, T) {
        let (by, attempt) = (caller::of(&request), Attempt::of(&request));
        let mut request = request.into_inner();
        let options = request.take_options();
        let about = request.about();
        let mutation = Self { attempt, ..Self::new(verb, by, options, &request, violations) };
        let request_id = mutation.named.as_ref().map_or("", |(request_id, _)| request_id);
        mutation.attempt.is_about(about, mutation.guard.validate_only, request_id);
        (mutation, request)
    }

    /// Refuses an upstream that is none of the caller's, empty for `default`, in the same words whether it exists or
    /// not: whether it is there is found out when the turn of the call has come. The call was opened before, so that the
    /// audit log knows what was refused.
    pub(super) fn reaches(&self, upstream: &str) -> Result<(), Status> {
        self.may(convert::upstream_name(upstream))
    }

    /// The same of an upstream that has its name.
    pub(super) fn may(&self, upstream: &str) -> Result<(), Status> {
        let by = &self.guard.by;
        authorise(by, by.asks, Some(upstream)).map_err(|denied| {
            self.attempt.barred(by, &denied);
            status::denied(&denied)
        })
    }

    /// More of what it is about is known, for the audit log.
    pub(super) fn is_about(&self, object: String) {
        self.attempt.becomes(object);
    }

    /// What the answer shows of secrets.
    pub(super) fn sight(&self) -> Sight {
        Sight::of(&self.guard.by)
    }

    /// A call of this verb with these options; `rest` is everything else in the request.
    fn new(
        verb: &'static str,
        by: Caller,
        options: Option<v1::MutationOptions>,
        rest: &impl Message,
        violations: &mut Violations,
    ) -> Self {
        let v1::MutationOptions { validate_only, expected_revision, request_id } = options.unwrap_or_default();
        if request_id.len() > REQUEST_ID {
            let length = request_id.len();
            violations.push("options.request_id", format!("{length} bytes are too many; at most {REQUEST_ID}"));
        }
        let named = (!request_id.is_empty()).then(|| {
            let mut asked = rest.encode_to_vec();
            asked.extend_from_slice(format!("\n{verb}\n{}\n{expected_revision:?}", by.who).as_bytes());
            (request_id, xxh3_64(&asked))
        });
        let guard = Guard { by, verb, validate_only, expected_revision, ..Guard::default() };
        Self { guard, named, attempt: Attempt::default() }
    }

    /// Does it, and answers with what `respond` makes of what was done.
    pub(super) async fn perform<R: Message + Default + 'static>(
        self,
        control: &Control,
        operation: Operation,
        respond: impl Fn(&Control, &Done) -> Result<R, Status> + Send + Sync + 'static,
    ) -> Result<Response<R>, Status> {
        let (attempt, scope) = (self.attempt.clone(), self.guard.by.scope.clone());
        let (guard, call, respond) = self.split(control, respond);
        let answer = control.perform(operation, guard, call).await;
        read(control, answer, &*respond, &attempt, &scope)
    }

    /// Reads the file again, and answers like [`Mutation::perform`].
    pub(super) async fn reload<R: Message + Default + 'static>(
        self,
        control: &Control,
        respond: impl Fn(&Control, &Done) -> Result<R, Status> + Send + Sync + 'static,
    ) -> Result<Response<R>, Status> {
        let (attempt, scope) = (self.attempt.clone(), self.guard.by.scope.clone());
        let (guard, call, respond) = self.split(control, respond);
        let answer = control.reload(guard, call).await;
        read(control, answer, &*respond, &attempt, &scope)
    }

    /// Does what makes no revision and is not kept: a repeat is answered as the first call was, all the same, and one
    /// that comes while the first is at work waits for it. Goes on, and is told, though whoever asked for it leaves.
    pub(super) async fn aside<R: Message + Default + 'static>(
        self,
        control: &Control,
        work: impl Future<Output = Result<(R, Deed), Status>> + Send + 'static,
    ) -> Result<Response<R>, Status> {
        let control = control.clone();
        let done = tokio::spawn(async move { self.aside_now(&control, work).await });
        done.await.unwrap_or_else(|_| Err(status::refused(&Refused::Stopping)))
    }

    async fn aside_now<R: Message + Default + 'static>(
        self,
        control: &Control,
        work: impl Future<Output = Result<(R, Deed), Status>>,
    ) -> Result<Response<R>, Status> {
        let Self { guard, named, attempt } = self;
        let request_id = named.as_ref().map(|(request_id, _)| request_id.clone()).unwrap_or_default();
        let call = named.filter(|_| !guard.validate_only).map(|(request_id, fingerprint)| Call {
            request_id,
            fingerprint,
            encode: Arc::new(|_| Vec::new()),
        });
        let _turn = match &call {
            Some(call) => Some(control.turn(&call.request_id).await),
            None => None,
        };
        if let Some(call) = call.clone()
            && let Some(known) = control.recall(call).await.map_err(|error| status::refused(&error))?
        {
            let never = |_: &Control, _: &Done| Err(Status::internal("an answer that was not written"));
            return read(control, Ok(known), &never, &attempt, &guard.by.scope);
        }
        let (answer, deed) =
            work.await.map_or_else(|refused| (Err(refused), None), |(done, deed)| (Ok(done), Some(deed)));
        let deed = deed.unwrap_or_else(|| Deed { object: attempt.object(), ..Deed::default() });
        let failed = answer.as_ref().err().map(|refused| (status::name(refused), refused.message()));
        // Before anything is waited for: it is done, whatever becomes of its answer.
        audit::aside(&guard, control.view().store.revision(), &deed, failed, &request_id);
        attempt.is_told();
        if let Some(call) = call.filter(|_| !answer.as_ref().is_err_and(status::passes)) {
            control.remember(call, write(&answer)).await;
        }
        answer.map(Response::new)
    }

    fn split<R: Message + Default + 'static>(
        self,
        control: &Control,
        respond: impl Fn(&Control, &Done) -> Result<R, Status> + Send + Sync + 'static,
    ) -> (Guard, Option<Call>, Arc<Respond<R>>) {
        let respond: Arc<Respond<R>> = Arc::new(respond);
        let call = self.named.map(|(request_id, fingerprint)| {
            let (control, respond, scope) = (control.clone(), respond.clone(), self.guard.by.scope.clone());
            let encode = move |outcome: Result<&Done, &Refused>| {
                write(
                    &outcome.map_err(|refused| limits::told(refused, &scope)).and_then(|done| respond(&control, done)),
                )
            };
            Call { request_id, fingerprint, encode: Arc::new(encode) }
        });
        (self.guard, call, respond)
    }
}

type Respond<R> = dyn Fn(&Control, &Done) -> Result<R, Status> + Send + Sync;

fn read<R: Message + Default + 'static>(
    control: &Control,
    answer: Result<Answer, Refused>,
    respond: &Respond<R>,
    attempt: &Attempt,
    scope: &Scope,
) -> Result<Response<R>, Status> {
    // It was asked, and has said what came of it; unless it is no longer there.
    if !matches!(answer, Err(Refused::Stopping)) {
        attempt.is_told();
    }
    match answer.map_err(|refused| limits::told(&refused, scope))? {
        Answer::Done(done) => respond(control, &done).map(Response::new),
        Answer::Written(bytes) => parse(&bytes).map(Response::new),
    }
}

fn write<R: Message>(answer: &Result<R, Status>) -> Vec<u8> {
    let mut bytes = Vec::new();
    match answer {
        Ok(response) => {
            bytes.push(DONE);
            bytes.extend(response.encode_to_vec());
        }
        Err(status) => {
            let (message, details) = (status.message().as_bytes(), status.details());
            let length = u32::try_from(message.len()).unwrap_or_default();
            bytes.push(REFUSED);
            bytes.extend(i32::from(status.code()).to_le_bytes());
            bytes.extend(length.to_le_bytes());
            bytes.extend_from_slice(message.get(..length as usize).unwrap_or_default());
            bytes.extend_from_slice(details);
        }
    }
    bytes
}

fn parse<R: Message + Default + 'static>(bytes: &[u8]) -> Result<R, Status> {
    let unreadable = || Status::internal("the answer that is remembered for this request_id cannot be read");
    match bytes.split_first() {
        Some((&DONE, response)) => R::decode(response).map_err(|_| unreadable()),
        Some((&REFUSED, rest)) => {
            let (code, rest) = rest.split_first_chunk::<4>().ok_or_else(unreadable)?;
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(unreadable)?;
            let (message, details) =
                rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(unreadable)?;
            let message = String::from_utf8_lossy(message).into_owned();
            Err(Status::with_details(Code::from(i32::from_le_bytes(*code)), message, details.to_vec().into()))
        }
        _ => Err(unreadable()),
    }
}

#[cfg(test)]
mod tests {
    use speedmimi_model::Config;

    use super::*;
    use crate::control::streams::Crowded;
    use crate::control::{Controller, Lifecycle, Setup};
    use crate::live::Live;
    use crate::worker::mailbox::Mailboxes;

    fn mutation(verb: &'static str, request: &v1::RemoveBackendRequest, request_id: &str) -> Mutation {
        let options = v1::MutationOptions { request_id: request_id.into(), ..Default::default() };
        let mut violations = Violations::default();
        let mutation = Mutation::new(verb, Caller::api("here"), Some(options), request, &mut violations);
        violations.check().expect("nothing is wrong");
        mutation
    }

    #[test]
    fn a_repeat_is_told_from_another_call_of_its_name() {
        let one = v1::RemoveBackendRequest { backend_id: "b1".into(), ..Default::default() };
        let two = v1::RemoveBackendRequest { backend_id: "b2".into(), ..Default::default() };
        let named = |verb, request| mutation(verb, request, "x").named.expect("it has a name").1;
        assert_eq!(named("RemoveBackend", &one), named("RemoveBackend", &one));
        assert_ne!(named("RemoveBackend", &one), named("RemoveBackend", &two));
        assert_ne!(named("RemoveBackend", &one), named("DisableBackend", &one));
        assert!(mutation("RemoveBackend", &one, "").named.is_none());
    }

    #[test]
    fn options_become_conditions() {
        let mut violations = Violations::default();
        let request_id = "x".repeat(REQUEST_ID);
        let options = v1::MutationOptions { validate_only: true, expected_revision: Some(0), request_id };
        let request = v1::ReloadConfigRequest::default();
        let mut with = |options| Mutation::new("ReloadConfig", Caller::default(), options, &request, &mut violations);
        let guard = with(Some(options.clone())).guard;
        let expected =
            Guard { verb: "ReloadConfig", validate_only: true, expected_revision: Some(0), ..Guard::default() };
        assert_eq!(guard, expected);
        with(Some(v1::MutationOptions { request_id: options.request_id + "x", ..options }));
        let status = violations.check().expect_err("one is too long");
        assert!(status.message().starts_with("options.request_id: "), "{}", status.message());
    }

    #[tokio::test]
    async fn what_is_refused_for_a_moment_is_not_refused_again() {
        let (live, lifecycle) = (Arc::new(Live::new(1)), Arc::new(Lifecycle::new()));
        let setup = Setup { config: Config::default(), file: None, live, lifecycle, descriptors: 100_000 };
        let (controller, control) = Controller::prepare(setup).await.expect("nothing is stored");
        tokio::spawn(controller.run(Mailboxes(Vec::new())));
        let made = async |answer: Result<u64, Status>| {
            let options = v1::MutationOptions { request_id: "x".into(), ..Default::default() };
            let request = v1::KillStreamsRequest { all: true, ..Default::default() };
            let mut violations = Violations::default();
            let mutation = Mutation::new("KillStreams", Caller::default(), Some(options), &request, &mut violations);
            let answer = answer.map(|killed| v1::KillStreamsResponse { killed, ..Default::default() });
            let work = async move { answer.map(|answer| (answer, Deed::default())) };
            mutation.aside(&control, work).await.map(|response| response.into_inner().killed)
        };
        let crowded = status::crowded(&Crowded);
        for passing in [crowded, status::refused(&Refused::Stopping)] {
            let code = passing.code();
            assert_eq!(made(Err(passing)).await.expect_err("not now").code(), code);
        }
        assert_eq!(made(Ok(7)).await.expect("now"), 7);
        assert_eq!(made(Ok(8)).await.expect("as before"), 7, "what was done is not done again");
    }

    #[test]
    fn answers_and_refusals_are_read_as_they_were_written() {
        let response = v1::ApplyConfigResponse { revision: 7, differences: Vec::new() };
        let read: v1::ApplyConfigResponse = parse(&write(&Ok(response.clone()))).expect("done");
        assert_eq!(read, response);
        let refused = status::refused(&Refused::NoFile);
        let read = parse::<v1::ApplyConfigResponse>(&write::<v1::ApplyConfigResponse>(&Err(refused.clone())));
        let read = read.expect_err("refused");
        assert_eq!(
            (read.code(), read.message(), read.details()),
            (refused.code(), refused.message(), refused.details())
        );
        for cut in 0..12 {
            let bytes = write::<v1::ApplyConfigResponse>(&Err(refused.clone()));
            assert!(parse::<v1::ApplyConfigResponse>(&bytes[..cut]).is_err());
        }
    }
}
