//! Claims that wait with the writer until there may be something for them: they take part in the very commit that brings it.

use super::{
    claim::{Claim, ClaimedAttempt},
    lane::Lane,
    writer::Reply,
};

type Claims = Lane<Claim, Vec<ClaimedAttempt>>;

/// Claims that got nothing and wait.
#[derive(Default)]
pub(super) struct Parked(Vec<(Claim, Reply<Vec<ClaimedAttempt>>)>);

impl Parked {
    /// Puts those that wait before the claims of a batch that makes something claimable. Where nobody waits for the answer any more,
    /// nothing is taken.
    pub(super) fn join(&mut self, lane: &mut Claims) {
        let mut claims = Claims::new();
        for (claim, reply) in std::mem::take(&mut self.0) {
            if !reply.is_closed() {
                claims.push(claim, reply);
            }
        }
        claims.ops.append(&mut lane.ops);
        claims.replies.append(&mut lane.replies);
        *lane = claims;
    }

    /// Keeps those of a committed batch that got nothing and want to wait; they get no answer yet.
    pub(super) fn keep(&mut self, lane: &mut Claims) {
        if !lane.ops.iter().any(|claim| claim.wait) {
            return;
        }
        self.0.retain(|(_, reply)| !reply.is_closed());
        let mut left = Claims::new();
        let claims = std::mem::replace(lane, Claims::new());
        for ((claim, reply), output) in claims.ops.into_iter().zip(claims.replies).zip(claims.outputs) {
            if claim.wait && output.is_empty() {
                self.0.push((claim, reply));
            } else {
                left.push(claim, reply);
                left.outputs.push(output);
            }
        }
        *lane = left;
    }

    /// Answers all with nothing: what they may draw from has changed, and whoever asks knows better.
    pub(super) fn bounce(&mut self) {
        for (_, reply) in std::mem::take(&mut self.0) {
            let _ = reply.send(Ok(Vec::new()));
        }
    }
}
