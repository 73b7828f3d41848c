//! What follows from what was seen. Pure: the same facts give the same lines.

mod clusters;
mod connection;
#[cfg(test)]
mod healthy;
mod queues;
mod runners;
#[cfg(test)]
mod tests;
mod transfer;

pub(super) use runners::is_alive;

use super::{
    facts::{Asked, Facts, Trouble},
    report::{Check, Line},
};

/// The lines of one check, at least one.
pub(super) fn of(check: Check, facts: &Facts) -> Vec<Line> {
    match check {
        Check::Server => vec![connection::server(facts)],
        Check::Tls => vec![connection::tls(facts)],
        _ if !facts.reached() => vec![Line::skip(check, "the server was not reached")],
        Check::Clock => vec![connection::clock(facts)],
        Check::Version => connection::versions(facts),
        Check::Token => vec![connection::token(facts)],
        _ if facts.me.is_some() && facts.role().is_none() => vec![Line::skip(check, "the token is not taken")],
        Check::Database => vec![connection::database(facts)],
        Check::Bytes => vec![connection::bytes(facts)],
        Check::Runners => runners::runners(facts),
        Check::Stuck => runners::stuck(facts),
        Check::Rights => clusters::rights(facts),
        Check::BaseUrl => clusters::bases(facts),
        Check::Queues | Check::Security | Check::PullSecret | Check::Capacity => queues::queues(check, facts),
        Check::LargeBody => vec![transfer::large(facts)],
        Check::Upload => vec![transfer::upload(facts)],
        Check::Stream => vec![transfer::stream(facts)],
        Check::Canary => vec![transfer::canary(facts)],
    }
}

/// What was seen of something, or the line that says why it was not.
fn seen<T>(check: Check, asked: Option<&Asked<T>>) -> Result<&T, Line> {
    match asked {
        None => Err(Line::skip(check, "not asked")),
        Some(Ok(seen)) => Ok(seen),
        Some(Err(trouble)) if trouble.is_unknown_route() => {
            Err(Line::skip(check, "the server is of a version that does not tell this").unless("upgrade the server"))
        }
        Some(Err(trouble)) if trouble.is_forbidden() => {
            Err(Line::skip(check, format!("the token does not allow it: {}", trouble.text())).unless("name a token with the role for it"))
        }
        Some(Err(trouble)) => Err(Line::fail(check, trouble.text(), remedy(trouble))),
    }
}

/// What to do about an answer that did not come, or came from somebody else.
fn remedy(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Away(_) => "look at the server's log, and at what stands before it: slipway doctor --only server",
        Trouble::Foreign(413, _) => {
            "let what stands before the server take bodies of 64 MiB: nginx.ingress.kubernetes.io/proxy-body-size: 64m on the Ingress"
        }
        Trouble::Foreign(..) => "let what stands before the server pass its answers on as they are",
        Trouble::Refused(..) => "the server's log tells more about the request",
        Trouble::Unasked(_) => "name the server as https://HOST or http://HOST:PORT: --url, or SLIPWAY_URL",
    }
}
