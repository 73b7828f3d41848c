//! What `submit` says of a command's end.

use crate::wire::NewTask;

/// The flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct EndingArgs {
    /// Keep this file or directory of its working directory once it has ended; may be repeated
    #[arg(long, value_name = "PATH")]
    keep: Vec<String>,
    /// Run this by /bin/sh when it is to stop, before it gets SIGTERM
    #[arg(long, value_name = "COMMAND")]
    checkpoint: Option<String>,
}

impl EndingArgs {
    /// Puts the flags over what a file says.
    pub(super) fn over(&self, task: &mut NewTask) {
        if !self.keep.is_empty() {
            // As the shell completes the name of a directory.
            task.outputs = self.keep.iter().map(|path| path.strip_suffix('/').unwrap_or(path).to_owned()).collect();
        }
        if let Some(command) = &self.checkpoint {
            task.checkpoint = ["/bin/sh", "-c", command].map(str::to_owned).into();
        }
    }
}
