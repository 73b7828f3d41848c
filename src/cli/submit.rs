//! `slipway submit`

mod clearml;
mod flow;
#[cfg(test)]
mod tests;

pub(super) use flow::run;

use super::{
    after::AfterArgs,
    array,
    code::CodeArgs,
    context::Common,
    ending::EndingArgs,
    exit::Failure,
    order::OrderArgs,
    pair::{pair, secret, secret_file},
    span::parse_seconds,
    style::shell,
};
use crate::{
    domain::{Cpu, Memory},
    wire::{NewArray, NewTask, Priority, Resources, Retries, SecretUse, TaskId},
};
use clearml::ClearmlArgs;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway submit -- python train.py --lr 3e-4         run a command; everything after -- is yours
  slipway submit -q gpu --gpus 1 --time 2h train.sh   run a script; the file is sent along
                                                      lines such as #SLIPWAY -q gpu --gpus 1 at its top count too
  slipway submit -q serve -e MODEL=7b                 where the queue's image brings the command
  slipway submit -f task.yaml --priority high         a task from a file, changed by flags
  slipway submit --array 0-31%8 -- python train.py --fold {index}
                                                      32 tasks, at most 8 at once
  slipway submit --after 1041 -- make eval            once another task has succeeded
  slipway submit --keep model.pt -- python train.py   keep a file that it writes: slipway outputs get @
  slipway submit --dry-run -- python train.py         which code would go with it
  slipway submit --check --gpus 16 -- python train.py only if a cluster could ever run it
  slipway submit -f chain.yaml                        several tasks, which name each other by ref
  ID=$(slipway submit -- make eval)                   in a pipe: only the id, at once
  slipway submit --wait -- make test                  exit code 0, or 3 when the task fails

Ctrl-C while following only detaches; the task goes on.";

const USAGE: &str = "\
slipway submit [OPTIONS] -- <CMD>...
       slipway submit [OPTIONS] <SCRIPT>
       slipway submit [OPTIONS] --file <FILE> [-- <CMD>...]
       slipway submit [OPTIONS] --queue <QUEUE>";

/// The arguments of `submit`.
#[derive(Clone, Debug, clap::Args)]
#[command(override_usage = USAGE, args_override_self = true)]
pub struct SubmitArgs {
    /// A script to run; its text is sent along
    #[arg(value_name = "SCRIPT", conflicts_with_all = ["file", "command"])]
    script: Option<String>,
    /// What a forgotten `--` leaves behind; taken only to be explained.
    #[arg(hide = true)]
    extra: Vec<String>,
    /// The program to run and its arguments
    #[arg(value_name = "CMD", last = true)]
    command: Vec<String>,
    /// Read the task, or a list of tasks, from a YAML or JSON file, - for standard input; flags go over its fields
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The queue [default: the file's, else default]
    #[arg(short, long)]
    queue: Option<String>,
    /// A name for people [default: the file's, or the script's]
    #[arg(short, long)]
    name: Option<String>,
    /// An environment variable; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// A label to filter by; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Stop the command after this time: 90, 90s, 2h30m, 1d
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    time: Option<u64>,
    /// Fail where it has not started so long after it was first queued
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    max_wait: Option<u64>,
    /// The time that it may take in all, over all attempts and pauses
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    total_time: Option<u64>,
    /// The time between SIGTERM and SIGKILL when it is stopped
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    grace: Option<u64>,
    /// Run it again up to N times when the command fails
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Whole GPUs that it needs
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,
    /// CPU that it needs, 2 or 500m, where the queue allows it
    #[arg(long, value_name = "CPU")]
    cpu: Option<Cpu>,
    /// Memory that it needs, as 8Gi, where the queue allows it
    #[arg(long, value_name = "SIZE")]
    memory: Option<Memory>,
    /// The image that it runs in, where the queue allows it
    #[arg(long, value_name = "IMAGE", alias = "docker")]
    image: Option<String>,
    /// A value of one of the queue's variables; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    var: Vec<(String, String)>,
    /// A label that its node must have, where the queue allows it; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    node_selector: Vec<(String, String)>,
    /// A variable with a value of a Secret that the queue allows; may be repeated
    #[arg(long, value_name = "VAR=SECRET/KEY", value_parser = secret)]
    secret: Vec<SecretUse>,
    /// A file in /secrets with a value of a Secret that the queue allows; may be repeated
    #[arg(long, value_name = "FILE=SECRET/KEY", value_parser = secret_file)]
    secret_file: Vec<SecretUse>,
    /// How soon it is served: critical, high, normal or low
    #[arg(long, value_name = "PRIORITY")]
    priority: Option<Priority>,
    /// Run it many times: 32, 0-31, 3-7,12, or 0-31%8 for at most 8 at once. {index} in CMD becomes the element's index
    #[arg(long, value_name = "INDICES", value_parser = array::parse)]
    array: Option<NewArray>,
    /// The task that it belongs to: to cancel that one cancels this one too
    #[arg(long, value_name = "ID")]
    parent: Option<i64>,
    /// Submit nothing that no cluster of the queue could ever run, as things are: exit code 8
    #[arg(long)]
    check: bool,
    /// Show what would be sent, and send nothing; with --check ask the server about it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    clearml: ClearmlArgs,
    #[command(flatten)]
    ending: EndingArgs,
    #[command(flatten)]
    code: CodeArgs,
    #[command(flatten)]
    order: OrderArgs,
    #[command(flatten)]
    after: AfterArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Where the work comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source<'a> {
    Command,
    File(&'a Path),
    Script(&'a Path),
    /// Nowhere: it is up to the queue.
    Image(&'a str),
}

fn nothing(what: impl Into<String>) -> Failure {
    Failure::usage(what)
        .hint("a command: slipway submit -- python train.py")
        .hint("a script:  slipway submit train.sh")
        .hint("a file:    slipway submit -f task.yaml")
}

impl SubmitArgs {
    /// The script to run, where it is one.
    pub(crate) fn script(&self) -> Option<&str> {
        self.script.as_deref()
    }

    /// `queue` is the configuration's.
    fn source<'a>(&'a self, queue: Option<&'a str>) -> Result<Source<'a>, Failure> {
        match (&self.script, &self.file) {
            (None, Some(file)) => Ok(Source::File(file)),
            (None, None) => match self.queue.as_deref().or(queue) {
                _ if !self.command.is_empty() => Ok(Source::Command),
                Some(queue) => Ok(Source::Image(queue)),
                None => Err(nothing("nothing to run")),
            },
            (Some(script), _) if self.extra.is_empty() => Ok(Source::Script(Path::new(script))),
            (Some(script), _) => {
                let words = [std::slice::from_ref(script), &self.extra].concat();
                Err(Failure::usage(format!("a script takes no arguments here, and {:?} follows {script:?}", words[1]))
                    .hint(format!("to run a command, put -- before it: slipway submit -- {}", shell(&words))))
            }
        }
    }

    /// What the flags say, but for code and environment, over what `base` says.
    fn over(&self, base: NewTask) -> NewTask {
        let mut task = base;
        if !self.command.is_empty() {
            task.command = Some(self.command.clone());
            task.script = None;
        }
        task.queue = self.queue.clone().or(task.queue);
        task.name = self.name.clone().or(task.name);
        task.priority = self.priority.or(task.priority);
        task.timeout_seconds = self.time.or(task.timeout_seconds);
        task.max_wait_seconds = self.max_wait.or(task.max_wait_seconds);
        task.total_timeout_seconds = self.total_time.or(task.total_timeout_seconds);
        task.grace_seconds = self.grace.or(task.grace_seconds);
        if let Some(user) = self.retries {
            task.retries = Some(Retries { user, ..task.retries.unwrap_or_default() });
        }
        if self.gpus.is_some() || self.cpu.is_some() || self.memory.is_some() {
            let base = task.resources.unwrap_or_default();
            let (gpus, cpu, memory) = (self.gpus.unwrap_or(base.gpus), self.cpu.or(base.cpu), self.memory.or(base.memory));
            task.resources = Some(Resources { gpus, cpu, memory });
        }
        task.image = self.image.clone().or(task.image);
        task.variables.extend(self.var.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
        task.node_selector.extend(self.node_selector.iter().cloned());
        for used in self.secret.iter().chain(&self.secret_file) {
            task.secrets.retain(|known| (&known.env, &known.file) != (&used.env, &used.file));
            task.secrets.push(used.clone());
        }
        task.array = self.array.clone().or(task.array);
        task.parent = self.parent.map(TaskId).or(task.parent);
        task.env.extend(self.env.iter().cloned());
        task.labels.extend(self.label.iter().cloned());
        self.ending.over(&mut task);
        task
    }
}
