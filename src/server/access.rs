//! Who may call what: one table, deny by default. A route that is not in it is refused to everybody, and a test fails
//! when a route is added without a row (`tests/access.rs`).

use crate::domain::{Action, Role};

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing.
    Open,
    /// A role that includes this one, everywhere. Where a route acts on somebody's task, its handler asks for more.
    Role(Role),
    /// A role that includes this one in the queue that the call is about. Where the path names a queue or a task, that is looked at
    /// before the handler (`auth.rs`, `tasks/path.rs`); the others leave out what the caller may not see.
    InQueue(Role),
    /// The token of the very attempt, which the handler checks after it knows that the attempt is live.
    Attempt,
}

use Access::{Attempt, InQueue, Open, Role as Needs};
use Role::{Admin, Operator, Runner, Submitter, Viewer};

/// Every route: method, path, what it asks for.
pub(super) const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/", Open),
    ("GET", "/livez", Open),
    ("GET", "/readyz", Open),
    ("GET", "/version", Open),
    ("GET", "/openapi.json", Open),
    ("GET", "/metrics", Needs(Viewer)),
    ("GET", "/api/v1/whoami", InQueue(Viewer)),
    ("GET", "/api/v1/health", InQueue(Viewer)),
    ("POST", "/api/v1/tasks", InQueue(Submitter)),
    ("POST", "/api/v1/tasks:batch", InQueue(Submitter)),
    ("GET", "/api/v1/tasks", InQueue(Viewer)),
    ("GET", "/api/v1/tasks/{id}", InQueue(Viewer)),
    ("PATCH", "/api/v1/tasks/{id}", InQueue(Submitter)),
    ("POST", "/api/v1/tasks/{id}/cancel", InQueue(Submitter)),
    ("POST", "/api/v1/tasks/{id}/rerun", InQueue(Submitter)),
    ("POST", "/api/v1/tasks/{id}/move", InQueue(Submitter)),
    ("POST", "/api/v1/tasks/{id}/boost", InQueue(Operator)),
    ("GET", "/api/v1/tasks/{id}/attempts", InQueue(Viewer)),
    ("GET", "/api/v1/tasks/{id}/events", InQueue(Viewer)),
    ("GET", "/api/v1/tasks/{id}/timeline", InQueue(Viewer)),
    ("GET", "/api/v1/tasks/{id}/why", InQueue(Viewer)),
    ("GET", "/api/v1/tasks/{id}/manifest", InQueue(Viewer)),
    ("POST", "/api/v1/tasks/{id}/attempts/{n}/abandon", InQueue(Operator)),
    ("GET", "/api/v1/tasks/{id}/log", InQueue(Viewer)),
    ("GET", "/api/v1/tasks/{id}/outputs", InQueue(Viewer)),
    ("GET", "/api/v1/tasks/{id}/outputs/{sha256}", InQueue(Viewer)),
    ("PUT", "/api/v1/uploads/{sha256}", InQueue(Submitter)),
    ("GET", "/api/v1/uploads/{sha256}", InQueue(Submitter)),
    ("GET", "/api/v1/events", InQueue(Viewer)),
    ("GET", "/api/v1/export/tasks", Needs(Operator)),
    ("GET", "/api/v1/export/attempts", Needs(Operator)),
    ("GET", "/api/v1/export/usage", Needs(Operator)),
    ("GET", "/api/v1/usage", Needs(Operator)),
    ("GET", "/api/v1/queues", InQueue(Viewer)),
    ("GET", "/api/v1/queues/{name}", InQueue(Viewer)),
    ("PUT", "/api/v1/queues/{name}", Needs(Admin)),
    ("DELETE", "/api/v1/queues/{name}", Needs(Admin)),
    ("POST", "/api/v1/queues/{name}/pause", InQueue(Operator)),
    ("POST", "/api/v1/queues/{name}/resume", InQueue(Operator)),
    ("POST", "/api/v1/queues/{name}/drain", InQueue(Operator)),
    ("POST", "/api/v1/queues/{name}/render", InQueue(Viewer)),
    ("GET", "/api/v1/queues/{name}/revisions", InQueue(Viewer)),
    ("GET", "/api/v1/queues/{name}/revisions/{revision}", InQueue(Viewer)),
    ("GET", "/api/v1/budgets", Needs(Viewer)),
    ("GET", "/api/v1/budgets/{name}", Needs(Viewer)),
    ("PUT", "/api/v1/budgets/{name}", Needs(Admin)),
    ("DELETE", "/api/v1/budgets/{name}", Needs(Admin)),
    ("GET", "/api/v1/tokens", Needs(Admin)),
    ("POST", "/api/v1/tokens", Needs(Admin)),
    ("DELETE", "/api/v1/tokens/{id}", Needs(Admin)),
    ("POST", "/api/v1/tokens/{id}/rotate", Needs(Admin)),
    ("GET", "/api/v1/audit", Needs(Admin)),
    ("GET", "/api/v1/export/audit", Needs(Admin)),
    ("GET", "/api/v1/runners", Needs(Viewer)),
    ("PUT", "/api/v1/runners/{name}", InQueue(Runner)),
    ("PUT", "/api/v1/runners/{name}/nodes", InQueue(Runner)),
    ("PUT", "/api/v1/runners/{name}/footing", InQueue(Runner)),
    ("GET", "/api/v1/runners/{name}/checks", InQueue(Runner)),
    ("PUT", "/api/v1/runners/{name}/checks", InQueue(Runner)),
    ("GET", "/api/v1/runners/{name}/checks/{queue}", InQueue(Runner)),
    ("GET", "/api/v1/nodes", Needs(Viewer)),
    ("POST", "/api/v1/runner/claims", InQueue(Runner)),
    ("POST", "/api/v1/runner/heartbeat", InQueue(Runner)),
    ("GET", "/api/v1/runner/holds", InQueue(Runner)),
    ("POST", "/api/v1/runner/attempts:check", InQueue(Runner)),
    ("POST", "/api/v1/runner/attempts:report", InQueue(Runner)),
    ("POST", "/api/v1/attempts/{task}/{n}/start", Attempt),
    ("POST", "/api/v1/attempts/{task}/{n}/heartbeat", Attempt),
    ("PUT", "/api/v1/attempts/{task}/{n}/log", Attempt),
    ("GET", "/api/v1/attempts/{task}/{n}/uploads/{sha256}", Attempt),
    ("PUT", "/api/v1/attempts/{task}/{n}/outputs/{sha256}", Attempt),
    ("GET", "/api/v1/attempts/{task}/{n}/outputs/{sha256}", Attempt),
    ("PUT", "/api/v1/attempts/{task}/{n}/notes", Attempt),
    ("POST", "/api/v1/attempts/{task}/{n}/finish", Attempt),
];

/// What a route asks for; none where it is not in the table.
pub(super) fn of(method: &str, path: &str) -> Option<Access> {
    // HEAD is answered by the GET route.
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES.iter().find(|(m, p, _)| *m == method && *p == path).map(|(.., access)| *access)
}

/// What kind of call a route is, for its limits.
pub(super) fn action(method: &str, path: &str) -> Action {
    let ends = |words: &[&str]| words.iter().any(|word| path.ends_with(word));
    match of(method, path) {
        None | Some(Open) => Action::Stranger,
        Some(_) if path.starts_with("/api/v1/uploads/") => Action::Bytes,
        Some(Attempt) if ends(&["/start", "/heartbeat", "/finish"]) => Action::Beat,
        Some(Attempt) => Action::Bytes,
        Some(Needs(Runner) | InQueue(Runner)) if ends(&["/heartbeat"]) => Action::Beat,
        Some(Needs(Runner) | InQueue(Runner)) => Action::Runner,
        Some(_) if matches!(method, "GET" | "HEAD") || ends(&["/render"]) => Action::Read,
        Some(_) => Action::Write,
    }
}

/// Whether the audit log tells of such calls: what users change, and which runners come.
pub(super) fn audited(method: &str, path: &str) -> bool {
    action(method, path) == Action::Write || (method == "PUT" && path == "/api/v1/runners/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_what_they_do() {
        let kinds = |wanted: Action| {
            let of = ROUTES.iter().filter(|(method, path, _)| action(method, path) == wanted);
            of.map(|(method, path, _)| format!("{method} {}", path.trim_start_matches("/api/v1"))).collect::<Vec<_>>()
        };
        let beats = [
            "POST /runner/heartbeat",
            "POST /attempts/{task}/{n}/start",
            "POST /attempts/{task}/{n}/heartbeat",
            "POST /attempts/{task}/{n}/finish",
        ];
        assert_eq!(kinds(Action::Beat), beats);
        assert_eq!(kinds(Action::Stranger), ["GET /", "GET /livez", "GET /readyz", "GET /version", "GET /openapi.json"]);
        assert_eq!(kinds(Action::Runner).len(), 10);
        for read in kinds(Action::Read) {
            assert!(read.starts_with("GET ") || read == "POST /queues/{name}/render", "{read}");
        }
        for (method, path, access) in ROUTES {
            let changes = *method != "GET" && !matches!(access, Attempt | Needs(Runner) | InQueue(Runner));
            let quiet = path.ends_with("/render") || path.contains("/uploads/");
            let is_register = (*method, *path) == ("PUT", "/api/v1/runners/{name}");
            assert_eq!(audited(method, path), (changes && !quiet) || is_register, "{method} {path}");
        }
    }
}
