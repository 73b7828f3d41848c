//! From flags to a task.

use super::{flow::script, *};
use crate::cli::{Common, context::Context, exit::Exit, file, testing::Bench};
use clap::Parser;

#[derive(Parser)]
struct Only {
    #[command(flatten)]
    args: SubmitArgs,
}

fn args(words: &[&str]) -> SubmitArgs {
    Only::try_parse_from([&["submit"], words].concat()).unwrap_or_else(|e| panic!("{e}")).args
}

#[test]
fn flags_become_a_task() {
    let words = "-q gpu -n lr3 -e A=1 -e B=x=y -l team=vision --time 2h30m --grace 45 --retries 2 --gpus 1 --priority high \
        --cpu 4 --memory 16Gi --image python:3.12 --var gpus=2 --node-selector zone=a --secret HF=hf/token --secret-file kaggle.json=kaggle/json -- sh -c -q";
    let task = args(&words.split_whitespace().collect::<Vec<_>>()).over(NewTask::default());
    insta::assert_json_snapshot!(task);
}

#[test]
fn flags_go_over_the_file() {
    let file: NewTask =
        file::parse("t", "name: a\nqueue: cpu\nscript: echo\nenv: {A: '1', B: '2'}\nretries: {infra: 7}\ntimeoutSeconds: 5\n").unwrap();
    let task = args(&["-f", "t", "-n", "b", "-e", "B=3", "--retries", "1", "--", "true"]).over(file);
    assert_eq!(task.name.as_deref(), Some("b"));
    assert_eq!(task.queue.as_deref(), Some("cpu"));
    assert_eq!((task.command, task.script), (Some(vec!["true".to_owned()]), None));
    assert_eq!(task.env.into_iter().map(|(k, v)| k + &v).collect::<String>(), "A1B3");
    assert_eq!(task.retries, Some(Retries { user: 1, infra: 7, ..Retries::default() }));
    assert_eq!(task.timeout_seconds, Some(5));
}

#[test]
fn a_forgotten_dash_dash_is_explained() {
    assert_eq!(args(&["a.sh"]).source(None).unwrap(), Source::Script(Path::new("a.sh")));
    assert_eq!(args(&["--", "a"]).source(None).unwrap(), Source::Command);
    assert_eq!(args(&["-q", "serve"]).source(None).unwrap(), Source::Image("serve"));
    let failure = args(&["python", "my train.py"]).source(None).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert_eq!(failure.hints, ["to run a command, put -- before it: slipway submit -- python 'my train.py'"]);
    assert_eq!(args(&[]).source(None).unwrap_err().hints.len(), 3);
    let failure = script(Path::new("python"), Err(Failure::usage("no"))).unwrap_err();
    assert_eq!(failure.hints, ["to run a command, put -- before it: slipway submit -- python"]);
    assert!(script(Path::new("a.out"), Ok(vec![0x7f, 0xff])).unwrap_err().hints[0].starts_with("a program cannot be sent"));
}

/// What a line makes, its files apart.
async fn made(line: &str, context: &Context) -> Result<NewTask, Failure> {
    let words = shlex::split(line).unwrap();
    let args = args(&words.iter().map(String::as_str).collect::<Vec<_>>()).translated()?;
    let mut task = args.over(NewTask::default());
    args.code.over(&mut task, context).await?;
    Ok(task)
}

#[tokio::test]
async fn the_words_of_clearml_task_make_the_same_task_as_ours() {
    let dir = tempfile::tempdir().unwrap();
    let listed = dir.path().join("r.txt").display().to_string();
    std::fs::write(&listed, "torch==2.9\n").unwrap();
    let context = Bench::default().context(Common::default());
    for (theirs, ours) in [
        ("--project vision --name lr3 --queue gpu --script train.py", "-l project=vision -n lr3 -q gpu -- python train.py"),
        ("--queue gpu --docker python:3.12 --script train.py", "-q gpu --image python:3.12 -- python train.py"),
        ("--script train.py --args lr=0.1 note='a b' --queue gpu", "-q gpu -- python train.py --lr=0.1 '--note=a b'"),
        ("--script train.py --packages torch==2.9 'tqdm>=4' --name x", "-n x --package torch==2.9 --package 'tqdm>=4' -- python train.py"),
        ("--script train.py --requirements LISTED", "--requirements LISTED -- python train.py"),
        ("--script src/train.py --cwd src", "--cwd src -- python train.py"),
        ("--script train.py --cwd src/", "--cwd src/ -- python train.py"),
        ("--script tools/run.sh", "-- bash tools/run.sh"),
    ] {
        let task = |line: &str| line.replace("LISTED", &listed);
        let (theirs, ours) = (made(&task(theirs), &context).await.unwrap(), made(&task(ours), &context).await.unwrap());
        assert_eq!(theirs, ours);
        assert!(ours.command.is_some());
    }
}

#[tokio::test]
async fn what_cannot_mean_the_same_says_what_to_use() {
    let context = Bench::default().context(Common::default());
    for (line, says) in [
        ("--script train.py --branch dev", "check it out first: git switch dev"),
        ("--script train.py --commit 4f2a91c", "check it out beside your work: git worktree add --detach ../at 4f2a91c"),
        ("--script train.py --repo https://h/x", "name it in a task's file: code: {git: {url: .., commit: ..}}"),
        ("--script train.py --folder ../x", "go there first: cd ../x"),
        ("--script notes.ipynb", "write the command itself: slipway submit -- PROGRAM ARGS"),
    ] {
        let failure = made(line, &context).await.unwrap_err();
        assert_eq!((failure.exit, failure.hints[0].as_str()), (Exit::Usage, says), "{line}");
    }
    for wrong in
        [&["submit", "--args", "a=1"][..], &["submit", "--script", "a.py", "--", "b"], &["submit", "--script", "a.py", "--args", "x"]]
    {
        assert!(Only::try_parse_from(wrong).is_err(), "{wrong:?}");
    }
}
