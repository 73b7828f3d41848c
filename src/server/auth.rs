//! Who calls: bearer tokens to principals, by the table in `access.rs`; how often, and what the audit log tells of it.

use super::{
    access::{self, Access},
    audit,
    envelope::Origin,
    error::{ApiError, ApiResult, no_task},
    identity,
    rates::{Credential, Left},
    state::App,
};
use crate::{
    domain::{Action, QueueName, Rights, Role, SecretKind, fingerprint, well_formed},
    store::TaskRecord,
    wire::{Problem, ProblemCode, TaskId},
};
use axum::{
    extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::net::IpAddr;

/// The caller of a route that asks for a role.
#[derive(Clone, Debug)]
pub(super) struct Principal {
    pub(super) user: String,
    pub(super) rights: Rights,
    /// The role that the route asks for.
    needed: Role,
}

impl Principal {
    /// Refuses to act on somebody else's task, unless the caller is an operator there.
    pub(super) fn may_act_on(&self, task: &TaskRecord) -> ApiResult<()> {
        if task.user == self.user || self.rights.include_in(Role::Operator, &task.spec.queue) {
            return Ok(());
        }
        let role = self.rights.role();
        Err(Problem::new(ProblemCode::Forbidden)
            .detail(format!("Task {} belongs to {}; acting on it needs the role operator, and yours is {role}.", task.id, task.user))
            .into())
    }

    /// Whether the caller may do in this queue what the route is for.
    pub(super) fn may_in(&self, queue: &QueueName) -> bool {
        self.rights.include_in(self.needed, queue)
    }

    /// Whether the caller may do so everywhere.
    pub(super) fn may_everywhere(&self) -> bool {
        self.rights.include(self.needed)
    }

    /// Refuses what the route is for in a queue where the caller has not its role. A queue in which the caller may not even look
    /// is none.
    pub(super) fn within(&self, queue: &QueueName, none: impl FnOnce() -> ApiError) -> ApiResult<()> {
        if self.may_in(queue) {
            return Ok(());
        }
        if !self.rights.include_in(Role::Viewer, queue) {
            return Err(none());
        }
        let Self { user, needed, .. } = self;
        let detail = format!("This needs the role {needed} in the queue {queue}, which {user} has not.");
        Err(Problem::new(ProblemCode::Forbidden).detail(detail).into())
    }

    /// Refuses what the route is for on a task of such a queue.
    pub(super) async fn may_on(&self, app: &App, id: TaskId) -> ApiResult<()> {
        if self.may_everywhere() {
            return Ok(());
        }
        let task = app.store.task(id).await?.ok_or_else(|| no_task(id))?;
        self.within(&task.spec.queue, || no_task(id))
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ProblemCode::Unauthenticated.into())
    }
}

/// The bearer token of an attempt route, not yet checked.
pub(super) struct Bearer(pub(super) secrecy::SecretString);

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        bearer(&parts.headers).map(|token| Self(token.to_owned().into())).ok_or_else(no_token)
    }
}

/// Lets a request through that has what its route asks for, and does not come too often.
pub(super) async fn authorize(State(app): State<App>, matched: MatchedPath, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), matched.as_str());
    let from = request.extensions().get::<Origin>().cloned().unwrap_or_default();
    let access = match access::of(method.as_str(), path) {
        Some(access) => access,
        // Either the method does not exist here, which the router says, or the table lacks a row: nobody may.
        None if !access::ROUTES.iter().any(|(_, known, _)| *known == path) => {
            return ApiError::from(ProblemCode::Forbidden).into_response();
        }
        None => return ApiError::from(ProblemCode::MethodNotAllowed).into_response(),
    };
    let action = access::action(method.as_str(), path);
    match access {
        // Whoever asks whether this server lives must always hear it.
        Access::Open if path == "/livez" || path == "/readyz" => next.run(request).await,
        Access::Open => match app.rates.stranger(from.address) {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        },
        Access::Attempt => of_attempt(&app, action, from.address, request, next).await,
        Access::Role(needed) | Access::InQueue(needed) => {
            let known = match whose(&app, bearer(request.headers()), Some(from.address)).await {
                Ok(known) => known,
                Err(error) => return error.into_response(),
            };
            let left = match app.rates.call(action, known.credential) {
                Ok(left) => left,
                Err(error) => return error.into_response(),
            };
            let entry = access::audited(method.as_str(), path).then(|| audit::Entry::new(&method, path, &request, &known.user, from));
            let principal = Principal { user: known.user, rights: known.rights, needed };
            let mut response = match admit(&app, principal, access, &mut request).await {
                Ok(()) => next.run(request).await,
                Err(error) => error.into_response(),
            };
            if let Some(row) = entry.and_then(|entry| app.audit.row(entry, &response)) {
                app.audit.record(row).await;
            }
            tell(left, &mut response);
            response
        }
    }
}

/// Whether a caller who is known may call a route at all. Where the path names a queue, whether they may there.
async fn admit(app: &App, principal: Principal, access: Access, request: &mut Request) -> ApiResult<()> {
    let Principal { user, rights, needed } = &principal;
    let enough = match access {
        Access::InQueue(_) => rights.include_somewhere(*needed),
        _ => rights.include(*needed),
    };
    if !enough {
        let place = if rights.include_somewhere(*needed) { " everywhere" } else { "" };
        let own = if rights.are_limited() { " in some queues" } else { "" };
        let detail = format!("This needs the role {needed}{place}; {user} has the role {}{own}.", rights.role());
        return Err(Problem::new(ProblemCode::Forbidden).detail(detail).into());
    }
    if !principal.may_everywhere() && request.uri().path().starts_with("/api/v1/queues/") {
        let (mut parts, body) = std::mem::take(request).into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, app).await.map_err(|_| ApiError::from(ProblemCode::Internal))?;
        let name = params.iter().find_map(|(name, value)| (name == "name").then(|| value.parse::<QueueName>())).and_then(Result::ok);
        *request = Request::from_parts(parts, body);
        if let Some(name) = name {
            principal.within(&name, || super::queues::refused(&name, crate::store::QueueRefusal::NotFound))?;
        }
    }
    request.extensions_mut().insert(principal);
    Ok(())
}

/// A call with the token of an attempt, which the handler checks: one that has not held yet is a stranger's.
async fn of_attempt(app: &App, action: Action, from: IpAddr, request: Request, next: Next) -> Response {
    let credential = bearer(request.headers()).map(|token| Credential::of(&fingerprint(token)));
    let known = credential.filter(|credential| app.rates.knows(*credential));
    let left = match known {
        Some(credential) => app.rates.call(action, credential),
        None => app.rates.stranger(from).map(|()| None),
    };
    let left = match left {
        Ok(left) => left,
        Err(error) => return error.into_response(),
    };
    let mut response = next.run(request).await;
    if let (Some(credential), true) = (credential, response.status().is_success()) {
        app.rates.held(credential);
    }
    tell(left, &mut response);
    response
}

fn tell(left: Option<Left>, response: &mut Response) {
    if let Some(left) = left {
        left.tell(response);
    }
}

/// Whom a token means.
pub(super) struct Known {
    pub(super) user: String,
    pub(super) rights: Rights,
    credential: Credential,
}

/// The bearer of a token, of this server's or of an issuer that it trusts. `from`: who is charged for a token that does not hold.
pub(super) async fn whose(app: &App, token: Option<&str>, from: Option<IpAddr>) -> ApiResult<Known> {
    let stranger = || from.map_or(Ok(()), |from| app.rates.stranger(from));
    let Some(token) = token else {
        stranger()?;
        return Err(no_token());
    };
    let hash = fingerprint(token);
    let credential = Credential::of(&hash);
    let clock = &*app.settings.clock;
    if identity::is_signed(token) {
        if let Some((user, rights)) = app.identity.remembered(token, clock) {
            return Ok(Known { user, rights, credential });
        }
        // To check a signature is work, and anybody can ask for it.
        stranger()?;
        let (user, rights) = app.identity.whose(token, clock).await?;
        return Ok(Known { user, rights, credential });
    }
    let known = well_formed(SecretKind::Api, token).then(|| app.tokens.in_force(&hash, app.now())).flatten();
    let Some((user, rights)) = known else {
        stranger()?;
        return Err(Problem::new(ProblemCode::Unauthenticated)
            .detail("The token is not known, has expired or was revoked.")
            .hint("Ask an admin for a token: slipway token create NAME --role submitter")
            .into());
    };
    Ok(Known { user, rights, credential })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn no_token() -> ApiError {
    Problem::new(ProblemCode::Unauthenticated)
        .detail("The request carries no bearer token.")
        .hint("Send `Authorization: Bearer slw_…`; the server wrote an admin token to DATA-DIR/admin-token.")
        .into()
}
