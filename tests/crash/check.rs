//! What must be true after a crash, whatever kind of crash it was.

use fastrand::Rng;

use crate::books::{Books, number, text};
use crate::client::{Client, Done, Request, Work};
use crate::http::Connection;
use crate::server::{Place, Server};

/// How many acknowledged requests are sent again each time.
const REPLAYS: usize = 8;

/// Everything acknowledged is there with its values and nothing else is, but for what requests of unknown outcome did. All
/// that were not acknowledged are sent again and must end as done exactly once. Then, with some acknowledged ones sent
/// again as well, everything must be there exactly once, the file sound and the audit clean. Returns how many of unknown
/// outcome had been carried out.
pub(crate) fn check(
    place: &Place,
    server: &Server,
    opened: &Books,
    clients: &mut [Client],
    rng: &mut Rng,
) -> Result<usize, String> {
    let mut connection = connect(server)?;
    let mut expected = books_of(opened, clients)?;
    let seen = Books::read(&mut connection)?;
    let unsure: Vec<_> = clients.iter().filter_map(Client::unsure).collect();
    let carried = expected.enter_seen(&unsure, &seen);
    expected
        .compare(&seen)
        .map_err(|line| format!("after the restart: {line}"))?;

    let unanswered = clients
        .iter_mut()
        .filter_map(|client| Some((client.unanswered.clone()?, client)));
    let mut unanswered: Vec<_> = unanswered.collect();
    // First those that were carried out: they are answered from what the crash left, while nothing else is written.
    unanswered.sort_by_key(|(request, _)| !carried.requests.contains(&request.id));
    for (request, client) in unanswered {
        retry(&mut connection, client, &request, &seen, &carried.orders)?;
    }
    for client in clients.iter() {
        for _ in 0..REPLAYS.div_ceil(clients.len()) {
            if let Some(done) = rng.choice(&client.done) {
                replay(&mut connection, done)?;
            }
        }
    }
    let seen = Books::read(&mut connection)?;
    let expected = books_of(opened, clients)?;
    expected
        .compare(&seen)
        .map_err(|line| format!("after the retries: {line}"))?;
    place.audit()?;
    Ok(carried.requests.len())
}

pub(crate) fn connect(server: &Server) -> Result<Connection, String> {
    Connection::open(server.address).map_err(|error| format!("no connection: {error}"))
}

/// The books as the acknowledged requests make them.
pub(crate) fn books_of(opened: &Books, clients: &[Client]) -> Result<Books, String> {
    let mut books = opened.clone();
    for done in clients.iter().flat_map(|client| &client.done) {
        done.enter(&mut books)?;
    }
    Ok(books)
}

/// Sends a request again that was not acknowledged. It says itself whether it was carried out before, and must be right.
pub(crate) fn retry(
    connection: &mut Connection,
    client: &mut Client,
    request: &Request,
    seen: &Books,
    placed: &[i64],
) -> Result<(), String> {
    let answer = request
        .send(connection)
        .map_err(|error| format!("the retry of {request:?}: {error}"))?;
    let claim = match request.work {
        Work::Place { .. } => {
            let id = number(&answer.body, "id").map_err(|line| format!("the retry of {request:?}: {line}"))?;
            Some((answer.is_replayed, placed.contains(&id)))
        }
        Work::Restock { .. } => Some((answer.is_replayed, seen.restocks.contains_key(&request.id))),
        Work::Pay { .. } | Work::PayByStripe { .. } | Work::RefundACent { .. } => Some((
            text(&answer.body, "result").is_ok_and(|result| result == "duplicate"),
            seen.events.contains_key(&request.id),
        )),
        Work::Resize { .. } | Work::Cancel { .. } | Work::Ship { .. } => None,
    };
    if let Some((says_done, was_done)) = claim
        && says_done != was_done
    {
        return Err(format!(
            "the retry of {request:?}: it was there before: {was_done}, but the answer is {answer:?}"
        ));
    }
    client.answered(answer)
}

/// Sends an acknowledged request again that must change nothing: the answer is the first one's.
fn replay(connection: &mut Connection, done: &Done) -> Result<(), String> {
    let Done { request, answer } = done;
    if matches!(
        request.work,
        Work::Resize { .. } | Work::Cancel { .. } | Work::Ship { .. }
    ) {
        return Ok(());
    }
    let again = request
        .send(connection)
        .map_err(|error| format!("the replay of {request:?}: {error}"))?;
    let is_event = matches!(
        request.work,
        Work::Pay { .. } | Work::PayByStripe { .. } | Work::RefundACent { .. }
    );
    let is_right = if is_event {
        text(&again.body, "result").is_ok_and(|result| result == "duplicate")
    } else {
        again.is_replayed && again.body == answer.body && again.status == answer.status
    };
    if is_right {
        Ok(())
    } else {
        Err(format!(
            "the replay of {request:?} was answered {again:?}, the request itself {answer:?}"
        ))
    }
}
