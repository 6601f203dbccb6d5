//! Closing so that the last answer arrives: a close with unread bytes in the socket would reset the connection and
//! may destroy what the client has not read yet (RFC 9112 §9.6).

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use rustix::net::Shutdown;

use super::h1::Client;

/// How long a client may go on sending what nobody will read.
const LINGER: Duration = Duration::from_secs(2);
/// How much it may send meanwhile.
const MOST: usize = 1024 * 1024;

/// Sends FIN, then reads and forgets until the client closes, too much has come, or the time is over.
pub(crate) async fn close(client: &mut Client) {
    if rustix::net::shutdown(&client.socket, Shutdown::Write).is_err() {
        return;
    }
    let worker = client.worker.clone();
    worker.clock.refresh();
    worker.table.arm(client.key, worker.clock.after(LINGER));
    let mut left = MOST;
    poll_fn(|context| {
        loop {
            if worker.table.poll(client.key, context).is_some() || left == 0 {
                return Poll::Ready(());
            }
            let scratch = &mut *worker.scratch.borrow_mut();
            match crate::io::read(&client.socket, &mut scratch.input, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(read)) if read > 0 => left = left.saturating_sub(read),
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
}
