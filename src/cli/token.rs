//! `slipway token`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    span::{age, between, parse_seconds},
    style::Tone,
    table::{Cell, Table, cell},
};
use crate::wire::{CreatedToken, NewToken, Role, RotateToken, Timestamp, Token, TokenList};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway token create lena --role submitter --expires 30d > token
  slipway token create ci --role submitter --queue team-a --queue lab-*
  slipway token ls
  slipway token rotate 3 --overlap 7d > token
  slipway token revoke 3

The secret is shown once, on standard output. Use it with SLIPWAY_TOKEN, or --token-file FILE.";

/// The arguments of `token`.
#[derive(Clone, Debug, clap::Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to do with tokens.
#[derive(Clone, Debug, clap::Subcommand)]
enum TokenCommand {
    /// Make a token and print its secret, once
    Create {
        /// Who will bear it
        user: String,
        /// What it allows: viewer, submitter, operator, admin, or runner
        #[arg(long)]
        role: Role,
        /// A queue that the role counts in, or the beginning of names: lab-*; may be repeated [default: everywhere]
        #[arg(long = "queue", value_name = "QUEUE")]
        queues: Vec<String>,
        /// Its life: 12h, 30d [default: until it is revoked]
        #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
        expires: Option<u64>,
    },
    /// List tokens, never their secrets
    Ls,
    /// Make a token in the place of another, which goes on for a while, and print its secret, once
    Rotate {
        /// The id of the old token
        id: i64,
        /// How long both hold: 12h, 7d; 0s ends the old one at once [default: 1d]
        #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
        overlap: Option<u64>,
        /// The life of the new one [default: as the old one was given]
        #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
        expires: Option<u64>,
    },
    /// Revoke a token
    Revoke {
        /// The token's id
        id: i64,
    },
}

/// Makes, lists and revokes tokens.
pub(super) async fn run(args: TokenArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    match args.command {
        TokenCommand::Create { user, role, queues, expires } => {
            let queues = (!queues.is_empty()).then_some(queues);
            let wanted = NewToken { user, role, queues, expires_in_seconds: expires };
            let created = client.create_token(&wanted, context.key()).await?;
            show(&created, context)?;
        }
        TokenCommand::Rotate { id, overlap, expires } => {
            let how = RotateToken { overlap_seconds: overlap, expires_in_seconds: expires };
            show(&client.rotate_token(id, &how).await?, context)?;
        }
        TokenCommand::Ls => {
            let tokens = client.tokens().await?;
            let ids = |list: &TokenList| list.items.iter().map(|token| token.id.to_string()).collect();
            let now = context.now();
            context.print(&tokens, ids, |list| table(&list.items, now).render(context.headers(), context.width()))?;
        }
        TokenCommand::Revoke { id } => {
            client.revoke_token(id).await?;
            context.gone(&id, "revoked")?;
        }
    }
    Ok(Exit::Ok)
}

/// Prints the secret, and says of what.
fn show(created: &CreatedToken, context: &Context) -> Result<(), Failure> {
    context.print(created, |created| vec![created.token.id.to_string()], |created| format!("{}\n", created.secret))?;
    let Token { id, user, expires_at, .. } = &created.token;
    let (user, role) = (super::style::clean(user), role(&created.token));
    let life = expires_at.map(|at| format!(" until {at:.0}")).unwrap_or_default();
    context.console.aside(format_args!("Token {id} for {user}, {role}{life}. It is not shown again."));
    Ok(())
}

/// A role and where it counts.
fn role(token: &Token) -> String {
    let place = token.queues.as_ref().map(|queues| format!(" in {}", queues.join(","))).unwrap_or_default();
    format!("{}{place}", token.role)
}

fn table(tokens: &[Token], now: Timestamp) -> Table {
    let row = |token: &Token| {
        vec![
            cell(token.id),
            cell(&token.user),
            cell(role(token)),
            cell(format!("slw_...{}", token.tail)),
            cell(age(between(token.created_at, now))),
            cell(token.last_used_at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(between(at, now))))),
            cell(&token.created_by),
            state(token, now),
        ]
    };
    Table::new(&["ID", "USER", "ROLE", "TOKEN", "AGE", "USED", "BY", "STATE"], tokens.iter().map(row).collect())
}

fn state(token: &Token, now: Timestamp) -> Cell {
    match (token.revoked_at, token.expires_at) {
        (Some(_), _) => cell("revoked").tone(Tone::Faint),
        (None, Some(end)) if end <= now => cell("expired").tone(Tone::Faint),
        (None, Some(end)) => cell(format!("valid, {} left", age(between(now, end)))),
        (None, None) => cell("valid"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::NOW;

    #[test]
    fn tokens_show_whether_they_hold() {
        let token = |id, expires: Option<&str>, revoked: Option<&str>| Token {
            id,
            user: "lena".into(),
            role: Role::Submitter,
            tail: "x9Qa".into(),
            created_by: "admin".into(),
            created_at: "2026-11-19T09:22:41Z".parse().unwrap(),
            expires_at: expires.map(|at| at.parse().unwrap()),
            revoked_at: revoked.map(|at| at.parse().unwrap()),
            queues: (id == 2).then(|| vec!["team-a".into(), "lab-*".into()]),
            last_used_at: (id == 1).then(|| "2026-11-20T09:20:41Z".parse().unwrap()),
            rotated_to: None,
        };
        let tokens = [
            token(1, None, None),
            token(2, Some("2026-12-20T09:22:41Z"), None),
            token(3, Some("2026-11-20T09:00:00Z"), None),
            token(4, None, Some("2026-11-20T09:00:00Z")),
        ];
        let table = table(&tokens, NOW.parse().unwrap()).render(true, None);
        insta::assert_snapshot!(anstream::adapter::strip_str(&table).to_string());
    }
}
