//! Leaving the result, or why there is none, where it cannot be lost.

use super::{Exit, place::Place};
use crate::{
    crash_point,
    wire::{
        AttemptNumber, FinishRequest, TaskId,
        handoff::{Fault, Testament},
    },
};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

impl Place {
    /// Leaves a result. On a machine it is either there whole or not at all. A pod's termination message is a mounted
    /// file, which nothing can be renamed over: there the document goes into it in one write.
    pub(super) fn bequeath(&self, testament: &Testament) -> io::Result<()> {
        let document = testament.document()?;
        if self.is_pod() { write_once(&self.testament, &document) } else { write_whole(&self.testament, &document) }
    }

    /// Leaves the result of an attempt.
    pub(super) fn bequeath_result(&self, (task, attempt): (TaskId, AttemptNumber), result: FinishRequest) -> io::Result<()> {
        self.bequeath(&Testament { task, attempt, result: Some(result), fault: None })
    }

    /// What the agent ends with once the server has the result. In a pod that is what the command ended with, as a shell
    /// tells it (128 and more for a signal, never 0 but for a success): so pod and Job show how the task ended to whoever
    /// looks at them alone.
    pub(super) fn shown(&self) -> u8 {
        if !self.is_pod() {
            return 0;
        }
        let testament = fs::read(&self.testament).ok().and_then(|text| serde_json::from_slice::<Testament>(&text).ok());
        let Some(result) = testament.and_then(|testament| testament.result) else { return 0 };
        let code = match (result.stopped_by, result.exit_code, result.signal) {
            _ if result.setup_failed.is_some() => 98,
            (None, Some(0), None) => return 0,
            (_, Some(code), _) => u8::try_from(code).unwrap_or(1),
            (_, None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            (_, None, None) => 1,
        };
        code.max(1)
    }

    /// Says in a pod why there is no result, unless there is one: nobody reads what an agent there wrote elsewhere. The
    /// first that says something counts, which is who was closest to the cause.
    pub(super) fn confess(&self, exit: &Exit) {
        if !self.is_pod() || fs::metadata(&self.testament).is_ok_and(|file| file.len() > 0) {
            return;
        }
        let (task, attempt) = self.assignment_as_written().map_or((TaskId(0), AttemptNumber::NONE), |a| (a.task, a.attempt));
        let fault = Fault { exit_code: exit.number().into(), message: exit.to_string() };
        if let Err(error) = self.bequeath(&Testament { task, attempt, result: None, fault: Some(fault) }) {
            tracing::error!(path = %self.testament.display(), %error, "cannot say so in the termination message");
        }
    }
}

fn write_once(path: &Path, document: &[u8]) -> io::Result<()> {
    // Never made: where Kubernetes made none nobody would read it.
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    crash_point!("agent.testament");
    match file.write(document)? {
        whole if whole == document.len() => Ok(()),
        part => Err(io::Error::other(format!("only {part} of {} bytes were taken", document.len()))),
    }
}

fn write_whole(path: &Path, document: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(document)?;
    file.sync_all()?;
    crash_point!("agent.testament");
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
}
