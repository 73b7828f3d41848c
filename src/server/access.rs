//! Who may call what: one table, deny by default. A route that is not in it is refused to everybody, and a test fails
//! when a route is added without a row (`tests/access.rs`).

use crate::domain::Role;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing.
    Open,
    /// A token whose role includes this one. Where a route acts on somebody's task, its handler asks for more.
    Role(Role),
    /// The token of the very attempt, which the handler checks after it knows that the attempt is live.
    Attempt,
}

use Access::{Attempt, Open, Role as Needs};
use Role::{Admin, Operator, Runner, Submitter, Viewer};

/// Every route: method, path, what it asks for.
pub(super) const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/", Open),
    ("GET", "/livez", Open),
    ("GET", "/readyz", Open),
    ("GET", "/version", Open),
    ("GET", "/openapi.json", Open),
    ("GET", "/metrics", Needs(Viewer)),
    ("GET", "/api/v1/whoami", Needs(Viewer)),
    ("POST", "/api/v1/tasks", Needs(Submitter)),
    ("POST", "/api/v1/tasks:batch", Needs(Submitter)),
    ("GET", "/api/v1/tasks", Needs(Viewer)),
    ("GET", "/api/v1/tasks/{id}", Needs(Viewer)),
    ("PATCH", "/api/v1/tasks/{id}", Needs(Submitter)),
    ("POST", "/api/v1/tasks/{id}/cancel", Needs(Submitter)),
    ("POST", "/api/v1/tasks/{id}/rerun", Needs(Submitter)),
    ("POST", "/api/v1/tasks/{id}/move", Needs(Submitter)),
    ("POST", "/api/v1/tasks/{id}/boost", Needs(Operator)),
    ("GET", "/api/v1/tasks/{id}/attempts", Needs(Viewer)),
    ("GET", "/api/v1/tasks/{id}/why", Needs(Viewer)),
    ("GET", "/api/v1/tasks/{id}/manifest", Needs(Viewer)),
    ("POST", "/api/v1/tasks/{id}/attempts/{n}/abandon", Needs(Operator)),
    ("GET", "/api/v1/tasks/{id}/log", Needs(Viewer)),
    ("GET", "/api/v1/tasks/{id}/outputs", Needs(Viewer)),
    ("GET", "/api/v1/tasks/{id}/outputs/{sha256}", Needs(Viewer)),
    ("PUT", "/api/v1/uploads/{sha256}", Needs(Submitter)),
    ("GET", "/api/v1/uploads/{sha256}", Needs(Submitter)),
    ("GET", "/api/v1/events", Needs(Viewer)),
    ("GET", "/api/v1/export/tasks", Needs(Operator)),
    ("GET", "/api/v1/export/attempts", Needs(Operator)),
    ("GET", "/api/v1/export/usage", Needs(Operator)),
    ("GET", "/api/v1/queues", Needs(Viewer)),
    ("GET", "/api/v1/queues/{name}", Needs(Viewer)),
    ("PUT", "/api/v1/queues/{name}", Needs(Admin)),
    ("DELETE", "/api/v1/queues/{name}", Needs(Admin)),
    ("POST", "/api/v1/queues/{name}/pause", Needs(Operator)),
    ("POST", "/api/v1/queues/{name}/resume", Needs(Operator)),
    ("POST", "/api/v1/queues/{name}/drain", Needs(Operator)),
    ("POST", "/api/v1/queues/{name}/render", Needs(Viewer)),
    ("GET", "/api/v1/queues/{name}/revisions", Needs(Viewer)),
    ("GET", "/api/v1/queues/{name}/revisions/{revision}", Needs(Viewer)),
    ("GET", "/api/v1/budgets", Needs(Viewer)),
    ("GET", "/api/v1/budgets/{name}", Needs(Viewer)),
    ("PUT", "/api/v1/budgets/{name}", Needs(Admin)),
    ("DELETE", "/api/v1/budgets/{name}", Needs(Admin)),
    ("GET", "/api/v1/tokens", Needs(Admin)),
    ("POST", "/api/v1/tokens", Needs(Admin)),
    ("DELETE", "/api/v1/tokens/{id}", Needs(Admin)),
    ("GET", "/api/v1/runners", Needs(Viewer)),
    ("PUT", "/api/v1/runners/{name}", Needs(Runner)),
    ("PUT", "/api/v1/runners/{name}/nodes", Needs(Runner)),
    ("GET", "/api/v1/runners/{name}/checks", Needs(Runner)),
    ("PUT", "/api/v1/runners/{name}/checks", Needs(Runner)),
    ("GET", "/api/v1/runners/{name}/checks/{queue}", Needs(Runner)),
    ("GET", "/api/v1/nodes", Needs(Viewer)),
    ("POST", "/api/v1/runner/claims", Needs(Runner)),
    ("POST", "/api/v1/runner/heartbeat", Needs(Runner)),
    ("GET", "/api/v1/runner/holds", Needs(Runner)),
    ("POST", "/api/v1/runner/attempts:check", Needs(Runner)),
    ("POST", "/api/v1/runner/attempts:report", Needs(Runner)),
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
