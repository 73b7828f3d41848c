//! What happens after a submit: detach, wait, or follow.

use super::{
    array,
    context::Context,
    exit::{Exit, Failure},
    first_error,
    follow::{self, detached, follow},
    format::Format,
    gather, verdict, wait,
};
use crate::{
    client::Client,
    wire::{BatchResponse, Task},
};

/// What to do once the task is submitted.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "After the submit")]
#[expect(clippy::struct_excessive_bools, reason = "flags are independent on the command line; `way` makes one choice of them")]
pub struct AfterArgs {
    /// Print the id and return at once; the default in a pipe
    #[arg(short, long, group = "after")]
    detach: bool,
    /// Print the id and wait for the end without a word
    #[arg(short, long, group = "after")]
    wait: bool,
    /// Show phases and output until the end; the default on a terminal
    #[arg(short = 'F', long, group = "after")]
    follow: bool,
    /// Exit with the task's own exit code instead of 3 when it does not succeed
    #[arg(long)]
    propagate_exit_code: bool,
}

/// The three ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Detach,
    Wait,
    Follow,
}

impl AfterArgs {
    /// The way: as asked; else a person at a terminal follows, and whatever reads the output gets it at once.
    fn way(self, terminal: bool, format: Option<Format>) -> After {
        match self {
            Self { detach: true, .. } => After::Detach,
            Self { wait: true, .. } => After::Wait,
            Self { follow: true, .. } => After::Follow,
            _ if terminal && format.is_none_or(Format::is_for_people) => After::Follow,
            // To want the task's own exit code is to want to wait for it.
            Self { propagate_exit_code: true, .. } => After::Wait,
            _ => After::Detach,
        }
    }

    /// Goes that way with a task just submitted.
    pub(crate) async fn go(self, context: &Context, client: &Client, task: Task) -> Result<Exit, Failure> {
        let id = task.id;
        let many = array::of(&task).is_some();
        context.on_interrupt(if many { gather::detached(id) } else { detached(id) });
        match self.way(context.console.terminal().stdout, context.asked()) {
            After::Detach => {
                print(context, &task)?;
                let follow = if many { "Wait for it: slipway wait" } else { "Follow it: slipway logs -f" };
                context.console.aside(format_args!("Submitted to queue {}. {follow} {id}", task.queue));
                Ok(Exit::Ok)
            }
            After::Wait => {
                // Whoever reads the output gets the id at once, or the whole object at the end.
                let whole = context.format().is_whole();
                if !whole {
                    context.console.line(id)?;
                }
                let task = follow::wait(client, id).await?;
                if whole {
                    print(context, &task)?;
                }
                if let Some(remark) = first_error::remark(client, &task).await {
                    context.console.note(format_args!("first error  {remark}"));
                }
                verdict::failure(&task, self.propagate_exit_code).map_or(Ok(Exit::Ok), Err)
            }
            After::Follow => {
                let name = task.name.as_deref().map(super::style::clean).map(|name| format!("  {name}")).unwrap_or_default();
                let (what, shape) = (if many { "Array" } else { "Task" }, array::shape(&task));
                context.console.note(format_args!("{what} {id}{name}{shape} in queue {}", task.queue));
                let task = if many { gather::follow(context, client, task).await? } else { follow(context, client, id).await? };
                Ok(Exit::of_task(&task, self.propagate_exit_code))
            }
        }
    }
}

impl AfterArgs {
    /// Refuses to follow: only one task can be.
    pub(crate) fn without_following(self) -> Result<(), Failure> {
        if self.follow {
            return Err(Failure::usage("--follow shows one task, and the file describes several").hint("wait for all of them: --wait"));
        }
        Ok(())
    }

    /// Goes on with several tasks just submitted; a person at a terminal gets their ids, too.
    pub(crate) async fn go_all(self, context: &Context, client: &Client, submitted: BatchResponse) -> Result<Exit, Failure> {
        let waits = self.wait || self.propagate_exit_code;
        let whole = context.format().is_whole();
        if !(waits && whole) {
            let lines = |answer: &BatchResponse| answer.ids.iter().map(ToString::to_string).collect::<Vec<_>>();
            context.print(&submitted, lines, |answer| lines(answer).join("\n") + "\n")?;
        }
        if waits {
            let way = wait::Way { propagate_exit_code: self.propagate_exit_code, ..wait::Way::default() };
            return wait::ends(submitted.ids.into_iter().collect(), &way, context, client).await;
        }
        if let Some(last) = submitted.ids.last() {
            let count = submitted.ids.len();
            context.console.aside(format_args!("Submitted {count} tasks. Follow one: slipway logs -f {last}"));
        }
        Ok(Exit::Ok)
    }
}

fn print(context: &Context, task: &Task) -> Result<(), Failure> {
    context.print(task, |task| vec![task.id.to_string()], |task| format!("{}\n", task.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_follows_and_a_pipe_gets_the_id() {
        let plain = AfterArgs::default();
        for (args, terminal, format, way) in [
            (plain, true, None, After::Follow),
            (plain, false, None, After::Detach),
            (plain, true, Some(Format::Json), After::Detach),
            (plain, true, Some(Format::Table), After::Follow),
            (AfterArgs { detach: true, ..plain }, true, None, After::Detach),
            (AfterArgs { wait: true, ..plain }, true, None, After::Wait),
            (AfterArgs { follow: true, ..plain }, false, None, After::Follow),
            (AfterArgs { propagate_exit_code: true, ..plain }, false, None, After::Wait),
            (AfterArgs { propagate_exit_code: true, ..plain }, true, None, After::Follow),
        ] {
            assert_eq!(args.way(terminal, format), way, "{args:?} {terminal} {format:?}");
        }
    }
}
