//! Commands that write more than anybody can keep, and commands that write line by line. The figures of the agent as it is
//! shipped are those of `benches/agent.rs`; the limits here are ten times the goals where they are times.

use crate::{pods::Pod, server::Server, sh};
use slipway::{
    domain::pod::{SECRET_ENV, WORK_DIR},
    wire::handoff::files,
};
use std::{fs, path::Path};

/// Hundredths of a second of CPU, and the most resident KiB, of a process.
fn used(pid: i32) -> (u64, u64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let times = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    (times.sum(), peak.trim().trim_end_matches(" kB").parse().unwrap())
}

/// A pod that knows ten secrets and runs a program of Python, which finds where it may leave files in `ROOT`.
fn python(server: &Server, program: &str) -> (slipway::wire::AttemptRef, Pod) {
    let of = server.claimed(sh("exec python3 -c \"$PROGRAM\""));
    let pod = Pod::start_with(server, of, "run", |root, command| {
        command.env("PROGRAM", program).env("ROOT", root.path());
        let names: Vec<String> = (0..10).map(|n| format!("SECRET_{n}")).collect();
        command.env(SECRET_ENV, names.join(","));
        command.envs(names.iter().map(|name| (name, format!("the-value-of-{name}"))));
        // Nobody reads what is repeated.
        command.stdout(fs::File::create("/dev/null").unwrap());
    });
    (of, pod)
}

async fn left(path: &Path) -> String {
    let read = async {
        loop {
            if let Ok(text) = fs::read_to_string(path)
                && text.ends_with('\n')
            {
                return text.trim().to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), read).await.expect("the command never came so far")
}

#[tokio::test]
async fn output_beyond_all_room_takes_little_memory_and_holds_the_command_up_for_no_long_time() {
    let server = Server::start().await;
    // Memory and spool are all the room there is.
    server.change(|w| w.log_closed = true);
    let program = "\
import os, time
line = b'2026-11-28 12:00:00 INFO step loss=0.25 lr=1e-4 grad_norm=3. '
piece = b''.join(line + (os.environ['SECRET_%d' % (n % 10)].encode() if n % 100 == 0 else b'') + b'\\n' for n in range(1000))
longest, written = 0, 0
while written < 300 << 20:
    before = time.monotonic()
    written += os.write(1, piece)
    longest = max(longest, time.monotonic() - before)
open(os.environ['ROOT'] + '/new', 'w').write('%.3f\\n' % longest)
os.rename(os.environ['ROOT'] + '/new', os.environ['ROOT'] + '/report')
time.sleep(1000)
";
    let (of, mut pod) = python(&server, program);
    let longest: f64 = left(&pod.root.at("/report")).await.parse().unwrap();
    let peak = used(pod.worker()).1;
    let spooled = fs::metadata(pod.root.at(WORK_DIR).join(files::SPOOL)).unwrap().len();
    server.change(|w| w.attempts.get_mut(&of).unwrap().superseded = true);
    assert_eq!(pod.ended().await.0, Some(97));
    eprintln!("held up for {longest} s at most, {peak} KiB");
    assert!(longest < 50.0, "a write took {longest} s");
    assert!(peak < 32 << 10, "the worker took {peak} KiB");
    assert_eq!(spooled, 256 << 20, "the spool had room left");
}

#[tokio::test]
async fn ten_thousand_lines_a_second_take_a_small_part_of_a_core() {
    let server = Server::start().await;
    let program = "\
import os, time
leave = lambda name: open(os.environ['ROOT'] + name, 'w').write('now\\n')
began, n = time.monotonic(), 0
leave('/began')
while n < 40000:
    os.write(1, b'2026-11-28 12:00:00 INFO step loss=0.25 lr=1e-4 grad_norm=3. \\n')
    n += 1
    if n % 10 == 0:
        time.sleep(max(0, began + n / 10000 - time.monotonic()))
leave('/ended')
time.sleep(1000)
";
    let (of, mut pod) = python(&server, program);
    left(&pod.root.at("/began")).await;
    let before = used(pod.worker()).0;
    left(&pod.root.at("/ended")).await;
    let hundredths = used(pod.worker()).0 - before;
    server.change(|w| w.attempts.get_mut(&of).unwrap().cancel = true);
    pod.ended().await;
    eprintln!("{hundredths} hundredths of a second of CPU for 40,000 lines in 4 s");
    assert!(hundredths < 4 * 30, "{hundredths} hundredths of a second of CPU for 40,000 lines");
}
