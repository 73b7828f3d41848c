//! Who calls: bearer tokens to principals, by the table in `access.rs`.

use super::{
    access::{self, Access},
    error::{ApiError, ApiResult},
    identity,
    state::App,
};
use crate::{
    domain::{Role, SecretKind, fingerprint, well_formed},
    store::TaskRecord,
    wire::{Problem, ProblemCode},
};
use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// The caller of a route that asks for a role.
#[derive(Clone, Debug)]
pub(super) struct Principal {
    pub(super) user: String,
    pub(super) role: Role,
}

impl Principal {
    /// Refuses to act on somebody else's task, unless the caller is an operator.
    pub(super) fn may_act_on(&self, task: &TaskRecord) -> ApiResult<()> {
        if task.user == self.user || self.role.includes(Role::Operator) {
            return Ok(());
        }
        Err(Problem::new(ProblemCode::Forbidden)
            .detail(format!("Task {} belongs to {}; acting on it needs the role operator, and yours is {}.", task.id, task.user, self.role))
            .into())
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

/// Lets a request through that has what its route asks for.
pub(super) async fn authorize(State(app): State<App>, matched: MatchedPath, mut request: Request, next: Next) -> Response {
    match access::of(request.method().as_str(), matched.as_str()) {
        Some(Access::Open | Access::Attempt) => {}
        Some(Access::Role(needed)) => match principal(&app, request.headers(), needed).await {
            Ok(principal) => {
                request.extensions_mut().insert(principal);
            }
            Err(error) => return error.into_response(),
        },
        // Either the method does not exist here, which the router says, or the table lacks a row: nobody may.
        None if !access::ROUTES.iter().any(|(_, path, _)| *path == matched.as_str()) => {
            return ApiError::from(ProblemCode::Forbidden).into_response();
        }
        None => return ApiError::from(ProblemCode::MethodNotAllowed).into_response(),
    }
    next.run(request).await
}

async fn principal(app: &App, headers: &HeaderMap, needed: Role) -> ApiResult<Principal> {
    whose(app, bearer(headers).ok_or_else(no_token)?, needed).await
}

/// The bearer of a token, of this server's or of an issuer that it trusts, whose role includes `needed`.
pub(super) async fn whose(app: &App, token: &str, needed: Role) -> ApiResult<Principal> {
    let (user, role) = if identity::is_signed(token) { app.identity.whose(token, &*app.settings.clock).await? } else { own(app, token)? };
    if !role.includes(needed) {
        let detail = format!("This needs the role {needed}; {user} has the role {role}.");
        return Err(Problem::new(ProblemCode::Forbidden).detail(detail).into());
    }
    Ok(Principal { user, role })
}

/// The bearer of an API token in force.
fn own(app: &App, token: &str) -> ApiResult<(String, Role)> {
    let known = well_formed(SecretKind::Api, token).then(|| app.tokens.in_force(&fingerprint(token), app.now())).flatten();
    let known = known.ok_or_else(|| {
        Problem::new(ProblemCode::Unauthenticated)
            .detail("The token is not known, has expired or was revoked.")
            .hint("Ask an admin for a token: slipway token create NAME --role submitter")
    })?;
    Ok((known.user, known.role))
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
