//! What is on the screen is what runs: `slipway submit` in a repository with changes, a lock file and a file that git does
//! not know, and the task's log.

use crate::{
    code::{mirrored, run},
    eventually,
    support::free_address,
    uv::uv,
    world::{Part, World},
};
use slipway::wire::{Indexes, NewQueue, TaskId, TaskState};
use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A package index of one package, served on loopback for as long as it lives.
struct Index {
    server: Child,
    url: String,
}

impl Index {
    async fn serve(root: &Path) -> Self {
        let dir = root.join("index/simple/greeting");
        fs::create_dir_all(&dir).expect("as the test made it");
        let wheel = "greeting-1.0-py3-none-any.whl";
        let make = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z:\n  d = 'greeting-1.0.dist-info/'\n  \
            z.writestr('greeting.py', 'word = \"hello\"\\n')\n  z.writestr(d + 'METADATA', 'Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\n')\n  \
            z.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n  \
            z.writestr(d + 'RECORD', 'greeting.py,,\\n' + d + 'METADATA,,\\n' + d + 'WHEEL,,\\n' + d + 'RECORD,,\\n')\n";
        run(&dir, &["python3", "-c", make, wheel]);
        fs::write(dir.join("index.html"), format!("<a href=\"{wheel}\">{wheel}</a>")).expect("as the test made it");
        let address = free_address(Ipv4Addr::LOCALHOST.into());
        let mut server = Command::new("python3");
        server.args(["-m", "http.server", "--bind", "127.0.0.1", &address.port().to_string()]);
        let server =
            server.current_dir(root.join("index")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("as the test made it");
        let index = Self { server, url: format!("http://{address}/simple") };
        eventually("the package index", async || TcpStream::connect(address).ok()).await;
        index
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A line of the task's log that begins so; the rest of it.
fn line(log: &str, beginning: &str) -> String {
    let found = log.lines().find_map(|line| line.strip_prefix(beginning));
    found.expect(beginning).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_the_screen_is_what_runs() {
    let uv = uv();
    let mut world = World::new();
    // The runner's search path is that of its tasks.
    world.path = Some(run(&world.root, &["sh", "-c", "echo \"$0:$PATH\"", &uv.display().to_string()]));
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let index = Index::serve(&world.root).await;
    let indexes = Indexes { url: Some(index.url.clone()), extra: vec![] };
    mirrored(&world, NewQueue { indexes: Some(indexes), ..NewQueue::default() }).await;

    let (bare, screen) = (world.root.join("git/team/vision"), world.root.join("screen"));
    fs::create_dir_all(&bare).expect("as the test made it");
    run(&bare, &["git", "init", "--quiet", "--bare", "--initial-branch=main"]);
    run(&world.root, &["git", "clone", "--quiet", &bare.display().to_string(), "screen"]);
    run(&screen, &["git", "checkout", "--quiet", "-B", "main"]);
    let write = |name: &str, text: &str| fs::write(screen.join(name), text).expect("as the test made it");
    write("pyproject.toml", "[project]\nname = 'vision'\nversion = '0'\nrequires-python = '>=3.8'\ndependencies = ['greeting']\n");
    write("train.py", "print('as committed')\n");
    write(".gitignore", ".venv\n");
    run(&screen, &[&uv.join("uv").display().to_string(), "lock", "--quiet", "--default-index", &index.url]);
    run(&screen, &["git", "add", "-A"]);
    run(&screen, &["git", "commit", "--quiet", "-m", "work"]);
    run(&screen, &["git", "push", "--quiet", "origin", "main"]);
    run(&screen, &["git", "remote", "set-url", "origin", "https://git.example.com/team/vision"]);
    write("train.py", "import time\nprint('began', time.time())\nimport greeting, scale\nprint('said', greeting.word, scale.factor)\n");
    write("scale.py", "factor = 42\n");

    for again in [false, true] {
        let mut submit = Command::new(env!("CARGO_BIN_EXE_slipway"));
        submit.args(["submit", "-q", "default", "--", "python", "train.py"]).current_dir(&screen).env("SLIPWAY_URL", &world.url);
        let out = submit.env("SLIPWAY_TOKEN_FILE", world.data().join("admin-token")).output().expect("as the test made it");
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{told}");
        assert!(told.contains("team/vision @ ") && told.contains("1 changed, 1 untracked file"), "{told}");
        // In a pipe only the id is data.
        let id = TaskId(String::from_utf8(out.stdout).expect("as the test made it").trim().parse().expect("as the test made it"));
        let task = world.ended(id).await;
        let log = String::from_utf8(world.log(id, 1).await).expect("as the test made it");
        assert_eq!(task.state, TaskState::Succeeded, "{log}");
        assert_eq!(line(&log, "said "), "hello 42");
        let attempt = world.client().await.attempts(id).await.expect("as the test made it").items.remove(0);
        let started = Duration::from_millis(attempt.started_at.expect("as the test made it").as_millisecond().unsigned_abs());
        let began = Duration::from_secs_f64(line(&log, "began ").parse().expect("as the test made it"));
        let took = began.saturating_sub(started);
        writeln!(std::io::stderr(), "from the agent's start to the command's: {took:?} (again: {again})").expect("as the test made it");
        assert_eq!(log.contains("taken from the cache"), again, "{log}");
        // Ten times the goal of a second.
        assert!(!again || took < Duration::from_secs(10), "{took:?}");
    }
    drop(index);
    world.nothing_left().await;
}
