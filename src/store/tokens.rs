//! API tokens: only their hashes are stored.

use super::{
    Store,
    error::Result,
    lease::{parse, parse_json},
    sql::{self, Row, cells},
    writer::{Statement, Tx},
};
use crate::domain::{Role, UnixMs};
use serde_json::json;
use std::collections::BTreeMap;

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id.
    pub id: i64,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// Who bears it.
    pub user: String,
    /// What it allows.
    pub role: Role,
    /// The queues that it allows it in; none: everywhere.
    pub queues: Option<Vec<String>>,
    /// The last four characters of the secret.
    pub tail: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: UnixMs,
    /// When it ends.
    pub expires_at: Option<UnixMs>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMs>,
    /// When it was used last, as far as was written.
    pub last_used_at: Option<UnixMs>,
    /// The token that took its place.
    pub rotated_to: Option<i64>,
}

/// Stores a new token.
#[derive(Clone)]
pub struct CreateToken {
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// Who bears it.
    pub user: String,
    /// What it allows.
    pub role: Role,
    /// The queues that it allows it in; none: everywhere.
    pub queues: Option<Vec<String>>,
    /// The last four characters of the secret.
    pub tail: String,
    /// Who makes it.
    pub by: String,
    /// When it ends.
    pub expires_at: Option<UnixMs>,
    /// The token whose place it takes, and when that one ends at the latest.
    pub replaces: Option<(i64, UnixMs)>,
}

/// The id of a new token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCreated(pub i64);

impl Statement for CreateToken {
    type Output = TokenCreated;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<TokenCreated>> {
        let mut created = Vec::with_capacity(batch.len());
        for t in batch {
            let row = cells![
                t.hash.as_slice(),
                &t.user,
                t.role,
                &t.tail,
                &t.by,
                tx.now,
                t.expires_at,
                t.queues.as_ref().map(|queues| json!(queues).to_string())
            ];
            tx.each(
                "insert into token each($1: hash bytes, usr text, role text, tail text, created_by text, created_at int,
                     expires_at int, queues text)",
                vec![row],
            )
            .await?;
            let id: i64 = sql::query_scalar("select max(id) from token").fetch_one(&mut *tx.conn).await?;
            if let Some((old, ends)) = t.replaces {
                // An end that is nearer stays.
                sql::query("update token set rotated_to = $2, expires_at = {sqlite: min; postgres: least}(coalesce(expires_at, $3), $3) where id = $1")
                    .bind(old)
                    .bind(id)
                    .bind(ends.0)
                    .execute(&mut *tx.conn)
                    .await?;
            }
            created.push(TokenCreated(id));
        }
        Ok(created)
    }
}

/// Writes down when tokens were used last.
pub struct TokensUsed(pub BTreeMap<i64, UnixMs>);

impl Statement for TokensUsed {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        for used in batch {
            let rows = used.0.iter().map(|(id, at)| cells![*id, *at]).collect();
            tx.each(
                "update token set last_used_at = j.at from each($1: of_token int, at int) j
                 where token.id = j.of_token and coalesce(token.last_used_at, 0) < j.at",
                rows,
            )
            .await?;
        }
        Ok(vec![(); batch.len()])
    }
}

/// Takes a token out of force.
pub struct RevokeToken(pub i64);

impl Statement for RevokeToken {
    /// Whether there is such a token; revoking one twice changes nothing.
    type Output = bool;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<bool>> {
        let mut found = Vec::with_capacity(batch.len());
        for token in batch {
            let done = sql::query("update token set revoked_at = coalesce(revoked_at, $2) where id = $1")
                .bind(token.0)
                .bind(tx.now.0)
                .execute(&mut *tx.conn)
                .await?;
            found.push(done == 1);
        }
        Ok(found)
    }
}

impl Store {
    /// All tokens, by id, revoked ones included.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        let rows = sql::query("select * from token order by id").fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<TokenRecord> {
    let id: i64 = row.try_get("id")?;
    let hash: Vec<u8> = row.try_get("hash")?;
    let time = |name: &str| row.try_get::<Option<i64>>(name).map(|t| t.map(UnixMs));
    Ok(TokenRecord {
        id,
        hash: hash.try_into().map_err(|_| super::StoreError::Corrupt { table: "token", id, what: "the hash has not 32 bytes".into() })?,
        user: row.try_get("usr")?,
        role: parse("token", id, row.try_get("role")?)?,
        queues: row.try_get::<Option<String>>("queues")?.map(|text| parse_json("token", id, &text)).transpose()?,
        tail: row.try_get("tail")?,
        created_by: row.try_get("created_by")?,
        created_at: UnixMs(row.try_get("created_at")?),
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
        last_used_at: time("last_used_at")?,
        rotated_to: row.try_get("rotated_to")?,
    })
}
