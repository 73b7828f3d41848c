//! Tokens, the caller's identity, the server's version.

use super::{Client, Error};
use crate::wire::{AuditList, AuditQuery, CreatedToken, NewToken, RotateToken, TokenList, Version, Whoami};
use reqwest::Method;
use uuid::Uuid;

impl Client {
    /// All tokens, by id; never their secrets.
    pub async fn tokens(&self) -> Result<TokenList, Error> {
        self.call(Method::GET, "api/v1/tokens").send().await
    }

    /// Makes a token; the answer is the only place where its secret is ever shown.
    pub async fn create_token(&self, token: &NewToken, key: Uuid) -> Result<CreatedToken, Error> {
        self.call(Method::POST, "api/v1/tokens").idempotent(key).json(token).send().await
    }

    /// Puts a new token in the place of another; the answer is the only place where its secret is ever shown.
    pub async fn rotate_token(&self, id: i64, how: &RotateToken) -> Result<CreatedToken, Error> {
        self.call(Method::POST, &format!("api/v1/tokens/{id}/rotate")).json(how).send().await
    }

    /// A page of the audit log.
    pub async fn audit(&self, query: &AuditQuery) -> Result<AuditList, Error> {
        self.call(Method::GET, "api/v1/audit").query(query).send().await
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, id: i64) -> Result<(), Error> {
        self.call(Method::DELETE, &format!("api/v1/tokens/{id}")).send_empty().await
    }

    /// Who the server takes this client for.
    pub async fn whoami(&self) -> Result<Whoami, Error> {
        self.call(Method::GET, "api/v1/whoami").send().await
    }

    /// The server's version; needs no credential.
    pub async fn version(&self) -> Result<Version, Error> {
        self.call(Method::GET, "version").send().await
    }
}
