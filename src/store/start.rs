//! The exclusive start: one agent, once, before any user code.

use super::{
    lease::Refusal,
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptNumber, Event, Phase, SecretKind, TaskId, TaskState, fingerprint, mint_secret};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Starts an attempt for the agent that bears its start token, and binds it to that agent: a repeat with the same
/// `uid` and `nonce` gets a fresh attempt token until the first heartbeat, everybody else is refused.
pub struct Start {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The start token presented.
    pub token: SecretString,
    /// What carries the attempt.
    pub uid: String,
    /// The memory of this agent.
    pub nonce: Uuid,
    /// Whether the command follows at once, without an agent: then nobody reports its phases.
    pub agentless: bool,
    /// Whether the agent stops its command by itself once it gets no answer.
    pub self_stop: bool,
}

impl Transition for Start {
    /// The attempt token; its hash is stored, itself nowhere.
    type Output = Result<SecretString, Refusal>;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Self::Output {
        let held = held.ok_or(Refusal::NotFound)?;
        refuse_dead(held, self.attempt)?;
        // The clockwork may not have come to it yet.
        if held.overdue(work) {
            return Err(Refusal::Superseded);
        }
        let lease = held.live(self.attempt).ok_or(Refusal::Superseded)?;
        // Erased at the first heartbeat: from then on nobody starts this attempt again.
        let expected = lease.start_token.as_deref().ok_or(Refusal::Superseded)?;
        if !bool::from(fingerprint(expected).ct_eq(&fingerprint(self.token.expose_secret()))) {
            return Err(Refusal::WrongToken);
        }
        let first = lease.uid.is_none();
        if !first && (lease.uid.as_deref(), lease.nonce) != (Some(self.uid.as_str()), Some(self.nonce)) {
            return Err(Refusal::Superseded);
        }
        let token = mint_secret(SecretKind::Attempt, work.tx.rng);
        lease.token_hash = Some(fingerprint(token.expose_secret()).to_vec());
        lease.uid = Some(self.uid.clone());
        lease.nonce = Some(self.nonce);
        lease.expires_up = None;
        lease.self_stop = self.self_stop;
        if first {
            lease.started_at = Some(work.tx.now);
        }
        held.touched = true;
        if first {
            held.take(Event::Start, None, work).map_err(|_| Refusal::Superseded)?;
            work.event(held, "attempt.started", None, Value::Null);
            if self.agentless && held.take(Event::Reach(Phase::Running), None, work).is_ok() {
                work.event(held, "attempt.phase", None, json!({ "phase": Phase::Running }));
            }
        }
        Ok(token)
    }
}

/// The task whose live attempt this is, for the agent that bears its token. Whether it lives is asked before the token.
pub(super) fn of_agent<'a>(held: Option<&'a mut Held>, attempt: AttemptNumber, token_hash: &[u8; 32]) -> Result<&'a mut Held, Refusal> {
    let held = held.ok_or(Refusal::NotFound)?;
    refuse_dead(held, attempt)?;
    if held.live(attempt).is_some_and(|lease| lease.has_token(token_hash)) { Ok(held) } else { Err(Refusal::WrongToken) }
}

/// Refuses what is said about an attempt that is not the live one, and says why.
pub(super) fn refuse_dead(held: &Held, attempt: AttemptNumber) -> Result<(), Refusal> {
    if attempt == AttemptNumber::NONE || attempt > held.life.attempt {
        return Err(Refusal::NotFound);
    }
    match (&held.lease, held.life.state()) {
        (Some(lease), _) if lease.attempt.attempt == attempt => Ok(()),
        (None, TaskState::Cancelled) if attempt == held.life.attempt && held.started_at.is_none() => Err(Refusal::Cancelled),
        _ => Err(Refusal::Superseded),
    }
}
