//! The routes of tokens. A secret is shown once, in the answer that makes it, and stored nowhere.

use super::{
    auth::Principal,
    body::{Json, Path},
    convert,
    error::{ApiResult, to_the_end, valid},
    state::App,
};
use crate::{
    domain::{SecretKind, UnixMs, fingerprint, mint_secret},
    store::{CreateToken, RevokeToken},
    wire::{CreatedToken, FieldError, NewToken, Problem, ProblemCode, TokenList},
};
use axum::{extract::State, http::StatusCode};
use secrecy::ExposeSecret;

/// Ten years, in seconds: a longer life is surely a slip.
const MAX_LIFE_SECONDS: u64 = 10 * 366 * 86_400;

/// All tokens, by id, revoked and expired ones included; never a secret.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "listTokens", tag = "tokens", responses((status = 200, body = TokenList)))]
pub(super) async fn list(State(app): State<App>) -> ApiResult<axum::Json<TokenList>> {
    Ok(axum::Json(TokenList { items: app.store.tokens().await?.iter().map(convert::token).collect() }))
}

/// Makes a token. Its secret is in this answer and nowhere else, so a repeated request makes another token.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "createToken", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = CreatedToken), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    principal: Principal,
    Json { value: new, .. }: Json<NewToken>,
) -> ApiResult<(StatusCode, axum::Json<CreatedToken>)> {
    check(&new)?;
    let secret = mint_secret(SecretKind::Api, &*app.settings.rng);
    let text = secret.expose_secret();
    let life = new.expires_in_seconds.map(|s| i64::try_from(s.saturating_mul(1000)).unwrap_or(i64::MAX));
    let hash = fingerprint(text);
    let create = CreateToken {
        hash,
        user: new.user,
        role: new.role,
        tail: text.get(text.len() - 4..).unwrap_or_default().to_owned(),
        by: principal.user,
        expires_at: life.map(|ms| UnixMs(app.now().0.saturating_add(ms))),
    };
    let made = app.clone();
    to_the_end(async move {
        made.store.run(create).await?;
        Ok(made.tokens.refresh(&made.store).await?)
    })
    .await?;
    let record = app.tokens.in_force(&hash, UnixMs(0)).ok_or(ProblemCode::Internal)?;
    Ok((StatusCode::CREATED, axum::Json(CreatedToken { secret: text.to_owned(), token: convert::token(&record) })))
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
    if new.expires_in_seconds.is_some_and(|s| !(1..=MAX_LIFE_SECONDS).contains(&s)) {
        errors.push(FieldError { pointer: "/expiresInSeconds".into(), message: "between a second and ten years".into() });
    }
    valid(errors)
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
    Err(Problem::new(ProblemCode::TokenNotFound).detail(format!("There is no token {id}.")).hint("slipway token ls").into())
}
