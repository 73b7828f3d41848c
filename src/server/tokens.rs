//! The routes of tokens. A secret is shown once, in the answer that makes it, and stored nowhere.

use super::{
    audit,
    auth::Principal,
    body::{Json, MaybeJson, Path},
    convert,
    error::{ApiError, ApiResult, to_the_end, valid},
    state::App,
};
use crate::{
    domain::{SecretKind, UnixMs, fingerprint, mint_secret, wrong_patterns},
    store::{CreateToken, RevokeToken, TokenCreated, TokenRecord},
    wire::{self, CreatedToken, FieldError, NewToken, Problem, ProblemCode, RotateToken, TokenList, timestamp},
};
use axum::{
    Extension,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;

/// Ten years, in seconds: a longer life is surely a slip.
const MAX_LIFE_SECONDS: u64 = 10 * 366 * 86_400;

/// The longest time for which a token that was rotated goes on, in seconds: thirty days.
const MAX_OVERLAP_SECONDS: u64 = 30 * 86_400;
/// The same where the request names none: a day.
const OVERLAP_SECONDS: u64 = 86_400;

/// All tokens, by id, revoked and expired ones included; never a secret.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "tokens", responses((status = 200, body = TokenList)))]
pub(super) async fn list(State(app): State<App>) -> ApiResult<axum::Json<TokenList>> {
    let tokens = app.store.tokens().await?;
    Ok(axum::Json(TokenList { items: tokens.iter().map(|record| app.token(record)).collect() }))
}

/// Makes a token. Its secret is in this answer and nowhere else, so a repeated request makes another token.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "createToken", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = CreatedToken), (status = 422, body = Problem)))]
pub(super) async fn create(State(app): State<App>, principal: Principal, Json { value: new, .. }: Json<NewToken>) -> ApiResult<Response> {
    check(&new)?;
    let expires_at = new.expires_in_seconds.map(|seconds| app.in_seconds(seconds));
    let of = |hash, tail| CreateToken {
        hash,
        user: new.user,
        role: new.role,
        queues: new.queues,
        tail,
        by: principal.user,
        expires_at,
        replaces: None,
    };
    app.made(of).await
}

/// Puts a new token in the place of another: the same user, role and queues. Both hold for `overlapSeconds`, then the old one
/// ends; an end of its own that is nearer stays.
#[utoipa::path(post, path = "/api/v1/tokens/{id}/rotate", operation_id = "rotateToken", tag = "tokens", params(("id" = i64, Path)),
    request_body = RotateToken,
    responses((status = 201, body = CreatedToken), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn rotate(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<i64>,
    MaybeJson(request): MaybeJson<RotateToken>,
) -> ApiResult<Response> {
    let overlap = request.overlap_seconds.unwrap_or(OVERLAP_SECONDS);
    let mut errors = life(request.expires_in_seconds);
    if overlap > MAX_OVERLAP_SECONDS {
        errors.push(FieldError { pointer: "/overlapSeconds".into(), message: "thirty days at most".into() });
    }
    valid(errors)?;
    let old = app.tokens.by_id(id).ok_or_else(|| missing(id))?;
    let over = old.revoked_at.is_some() || old.expires_at.is_some_and(|at| at <= app.now());
    if over || old.rotated_to.is_some() {
        let why = old.rotated_to.map_or_else(|| "holds no longer".to_owned(), |new| format!("was rotated already, to {new}"));
        return Err(Problem::new(ProblemCode::Conflict).detail(format!("Token {id} {why}.")).hint("slipway token ls").into());
    }
    let given = old.expires_at.map(|at| at.since(old.created_at).as_secs());
    let expires_at = request.expires_in_seconds.or(given).map(|seconds| app.in_seconds(seconds));
    let replaces = Some((id, app.in_seconds(overlap)));
    let of = |hash, tail| CreateToken {
        hash,
        user: old.user,
        role: old.role,
        queues: old.queues,
        tail,
        by: principal.user,
        expires_at,
        replaces,
    };
    app.made(of).await
}

impl App {
    fn in_seconds(&self, seconds: u64) -> UnixMs {
        UnixMs(self.now().0.saturating_add(i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)))
    }

    fn token(&self, record: &TokenRecord) -> wire::Token {
        let mut token = convert::token(record);
        token.last_used_at = token.last_used_at.max(self.tokens.used_at(record.id).map(timestamp));
        token
    }

    /// Makes a token with a fresh secret.
    async fn made(&self, of: impl FnOnce([u8; 32], String) -> CreateToken) -> ApiResult<Response> {
        let secret = mint_secret(SecretKind::Api, &*self.settings.rng);
        let text = secret.expose_secret();
        let create = of(fingerprint(text), text.get(text.len() - 4..).unwrap_or_default().to_owned());
        let app = self.clone();
        let TokenCreated(id) = to_the_end(async move {
            let created = app.store.run(create).await?;
            app.tokens.refresh(&app.store).await?;
            Ok(created)
        })
        .await?;
        let record = self.tokens.by_id(id).ok_or(ProblemCode::Internal)?;
        let body = axum::Json(CreatedToken { secret: text.to_owned(), token: self.token(&record) });
        Ok((StatusCode::CREATED, Extension(audit::Object(format!("tokens/{id}"))), body).into_response())
    }
}

fn check(new: &NewToken) -> ApiResult<()> {
    let mut errors = Vec::new();
    if !(1..=100).contains(&new.user.chars().count())
        || new.user.contains(|c: char| c.is_control() || c == ',')
        || new.user.starts_with('@')
    {
        errors.push(FieldError {
            pointer: "/user".into(),
            message: "1 to 100 characters, none of them a comma or a control character, no @ at the front".into(),
        });
    }
    if let Some(message) = new.queues.as_deref().and_then(wrong_patterns) {
        errors.push(FieldError { pointer: "/queues".into(), message });
    }
    errors.extend(life(new.expires_in_seconds));
    valid(errors)
}

fn life(seconds: Option<u64>) -> Vec<FieldError> {
    let wrong = seconds.is_some_and(|s| !(1..=MAX_LIFE_SECONDS).contains(&s));
    let fault = || FieldError { pointer: "/expiresInSeconds".into(), message: "between a second and ten years".into() };
    wrong.then(fault).into_iter().collect()
}

fn missing(id: i64) -> ApiError {
    Problem::new(ProblemCode::TokenNotFound).detail(format!("There is no token {id}.")).hint("slipway token ls").into()
}

/// Takes a token out of force, at once. A repeat is no error.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", operation_id = "revokeToken", tag = "tokens", params(("id" = i64, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn revoke(State(app): State<App>, Path(id): Path<i64>) -> ApiResult<StatusCode> {
    let found = to_the_end(async move {
        let found = app.store.run(RevokeToken(id)).await?;
        app.tokens.refresh(&app.store).await?;
        Ok(found)
    })
    .await?;
    if found {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(missing(id))
}
