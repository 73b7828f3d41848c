//! What travels: large bodies, streams, and a whole task.

use super::{remedy, seen};
use crate::{
    cli::{
        doctor::{
            facts::{Facts, Trouble},
            report::{Check, Line},
        },
        span::span,
    },
    wire::{ProblemCode, Role},
};

/// Why nothing was sent, where that is so.
fn unsent(check: Check, facts: &Facts) -> Option<Line> {
    match facts.role() {
        Some(role) if role.includes(Role::Submitter) => None,
        Some(role) => Some(Line::skip(check, format!("the role {role} sends nothing")).unless("name a token with the role submitter")),
        None => Some(Line::skip(check, "the token is not taken")),
    }
}

/// A large request passes.
pub(super) fn large(facts: &Facts) -> Line {
    let check = Check::LargeBody;
    if let Some(line) = unsent(check, facts) {
        return line;
    }
    match &facts.large {
        Some(Err(trouble @ Trouble::Away(_))) => Line::fail(
            check,
            trouble.text(),
            "what stands before the server cuts large requests, or is too slow for them: allow bodies of 64 MiB and minutes of time",
        ),
        // The server takes as much; somebody before it said no in its name.
        Some(Err(Trouble::Refused(ProblemCode::BodyTooLarge, text))) => {
            Line::fail(check, text, "upgrade the server: it takes less than this program sends")
        }
        large => match seen(check, large.as_ref()) {
            Ok(sent) => Line::ok(check, format!("a request of {} MiB passes in {}", sent.bytes >> 20, span(sent.took))),
            Err(line) => line,
        },
    }
}

/// Bytes that are sent are stored.
pub(super) fn upload(facts: &Facts) -> Line {
    if let Some(line) = unsent(Check::Upload, facts) {
        return line;
    }
    let carried = facts.canary.as_ref().and_then(|canary| canary.as_ref().ok()).is_some_and(|sung| sung.code && sung.succeeded());
    match seen(Check::Upload, facts.upload.as_ref()) {
        Ok(()) if carried => Line::ok(Check::Upload, "what is sent is stored with its sum, and the canary's agent fetched it"),
        Ok(()) => Line::ok(Check::Upload, "what is sent is stored with its sum"),
        Err(line) => line,
    }
}

/// Streams pass as they come.
pub(super) fn stream(facts: &Facts) -> Line {
    match &facts.stream {
        Some(Err(trouble @ Trouble::Away(_))) => Line::fail(
            Check::Stream,
            format!("an event stream brings nothing: {}", trouble.text()),
            "what stands before the server holds answers back: turn buffering off (nginx.ingress.kubernetes.io/proxy-buffering: \"off\") and raise its read timeout above 60 s",
        ),
        stream => match seen(Check::Stream, stream.as_ref()) {
            Ok(took) => Line::ok(Check::Stream, format!("events come as they happen, the first after {}", span(*took))),
            Err(line) => line,
        },
    }
}

/// A task runs to its end, and its log with it.
pub(super) fn canary(facts: &Facts) -> Line {
    let check = Check::Canary;
    let Some(canary) = &facts.canary else {
        return Line::skip(check, "not asked for").unless("--canary QUEUE submits a task that says its version and ends");
    };
    let sung = match canary {
        Ok(sung) => sung,
        Err(trouble) if trouble.is_forbidden() => return Line::fail(check, trouble.text(), "name a token with the role submitter"),
        Err(trouble @ Trouble::Refused(ProblemCode::QueueNotFound, _)) => {
            return Line::fail(check, trouble.text(), "name a queue that there is: slipway queue ls");
        }
        Err(trouble @ Trouble::Refused(..)) => {
            return Line::fail(
                check,
                format!("the task was not taken: {}", trouble.text()),
                "let the queue take such a task, or name another queue",
            );
        }
        Err(trouble) => return Line::fail(check, trouble.text(), remedy(trouble)),
    };
    let of = format!("task {} in {}", sung.task, sung.queue);
    match () {
        () if sung.succeeded() => {
            let on = sung.runner.as_ref().map(|runner| format!(" on {runner}")).unwrap_or_default();
            Line::ok(check, format!("{of} ran{on} in {}, its log of {} bytes was followed to the end", span(sung.took), sung.log_bytes))
        }
        () if !sung.ended => {
            let stuck = sung.stuck.as_deref().unwrap_or("nothing is said to hold it up");
            Line::fail(check, format!("{of} had not ended after {}: {stuck}", span(sung.took)), format!("slipway why {}", sung.task))
        }
        () if sung.is_success => {
            let fix = format!("compare slipway logs {} with the container's own log; see the check stream", sung.task);
            Line::fail(check, format!("{of} succeeded, and its log was not there: {} bytes", sung.log_bytes), fix)
        }
        () => Line::fail(check, format!("{of} {}", sung.how), format!("slipway why {0}; slipway logs {0}", sung.task)),
    }
}
