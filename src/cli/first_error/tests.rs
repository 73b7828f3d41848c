//! Logs as programs write them, and the line that is to be found in each.

use super::*;
use std::fmt::Write;

fn found(log: &str) -> Option<Found> {
    let mut finder = Finder::default();
    finder.push(log.as_bytes());
    finder.finish()
}

/// `4 RuntimeError: x @ train.py:41`, or nothing.
fn told(log: &str) -> String {
    found(log).map_or_else(String::new, |found| {
        let place = found.place.map(|place| format!(" @ {place}")).unwrap_or_default();
        format!("{} {}{place}", found.line, found.text)
    })
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (log, line) in cases {
        assert_eq!(told(log), *line, "\n{log}");
        let mut finder = Finder::default();
        log.as_bytes().chunks(7).for_each(|piece| finder.push(piece));
        assert_eq!(finder.finish(), found(log), "in pieces\n{log}");
    }
}

fn epochs(from: u32, to: u32) -> String {
    (from..to).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "epoch {n}: loss 0.{n}");
        text
    })
}

const OOM: &str = "\
Traceback (most recent call last):
  File \"/code/train.py\", line 80, in <module>
    main()
    ~~~~^^
  File \"/code/train.py\", line 41, in main
    loss = model(batch)
  File \"/env/lib/python3.12/site-packages/torch/nn/modules/module.py\", line 1751, in _call_impl
    return forward_call(*args, **kwargs)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB
";
const OOM_LINE: &str =
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB @ /code/train.py:41";

#[test]
fn the_exception_of_a_traceback_is_found_with_its_place() {
    let chain = "\
Traceback (most recent call last):
  File \"a.py\", line 3, in load
    return table[name]
KeyError: 'lr'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"a.py\", line 9, in <module>
    load('lr')
RuntimeError: no such setting: lr
";
    let ranks = "\
[rank0]: Traceback (most recent call last):
[rank1]: Traceback (most recent call last):
[rank1]:   File \"/code/ddp.py\", line 7, in <module>
[rank1]:     main()
[rank1]: ValueError: bad shard
[rank0]: ValueError: bad shard
";
    let bar = format!("  3%|▎         | 3/100 [00:01<00:40,  2.4it/s]{OOM}");
    let logged = format!("2026-11-20 09:22:41,123 - trainer - ERROR - step failed\n{OOM}");
    let syntax = "  File \"/code/train.py\", line 3\n    print(\n         ^\nSyntaxError: '(' was never closed\n";
    let handled =
        "Traceback (most recent call last):\n  File \"d.py\", line 2, in get\nConnectionResetError: [Errno 104]\nRetrying in 5 s\n";
    check(&[
        (&format!("{}{OOM}", epochs(0, 3)), &format!("12 {OOM_LINE}")),
        (OOM, &format!("9 {OOM_LINE}")),
        (chain, "4 KeyError: 'lr' @ a.py:3"),
        (&bar, &format!("9 {OOM_LINE}")),
        (&logged, &format!("10 {OOM_LINE}")),
        (ranks, "5 ValueError: bad shard @ /code/ddp.py:7"),
        (syntax, "4 SyntaxError: '(' was never closed"),
        // It was handled, and another one was not.
        (&format!("{handled}{OOM}"), &format!("13 {OOM_LINE}")),
        (handled, ""),
        (&format!("{handled}{}", epochs(0, 9)), ""),
        // Without a word, but work went on; and a last line of others does not mean that.
        (&format!("{OOM}{}", epochs(3, 9)), ""),
        (&format!("{OOM}{}", epochs(3, 5)), &format!("9 {OOM_LINE}")),
        (&format!("Exception ignored in: <function Pool.__del__>\n{OOM}done\n"), ""),
        ("Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\nKeyboardInterrupt\n", "3 KeyboardInterrupt @ x.py:1"),
        ("Traceback (most recent call last):\n  File \"x.py\", line 1\n__main__.Bad: no\n", "3 __main__.Bad: no @ x.py:1"),
        // The log was cut off before the exception.
        ("Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\n", ""),
        ("ModuleNotFoundError: No module named 'torch'\n", "1 ModuleNotFoundError: No module named 'torch'"),
        (&format!("\u{1b}[31m{OOM}\u{1b}[0m"), &format!("9 {OOM_LINE}")),
    ]);
}

#[test]
fn programs_that_are_killed_or_give_up_are_found() {
    check(&[
        ("step 1\nKilled\n", "2 Killed"),
        (
            "/tmp/script: line 3:    12 Killed                  python train.py\n",
            "1 /tmp/script: line 3:    12 Killed                  python train.py",
        ),
        ("Segmentation fault (core dumped)\n", "1 Segmentation fault (core dumped)"),
        ("RuntimeError: CUDA out of memory. Tried to allocate 1 GiB\n", "1 RuntimeError: CUDA out of memory. Tried to allocate 1 GiB"),
        (
            "E1120 x.cc:1] jax: RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes\n",
            "1 E1120 x.cc:1] jax: RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes",
        ),
        (
            "thread 'main' panicked at src/main.rs:12:5:\nindex out of bounds: the len is 3\nnote: run with `RUST_BACKTRACE=1`\n",
            "1 thread 'main' panicked at src/main.rs:12:5: index out of bounds: the len is 3",
        ),
        ("panic: runtime error: index out of range [5]\n\ngoroutine 1 [running]:\n", "1 panic: runtime error: index out of range [5]"),
        (
            "Exception in thread \"main\" java.lang.NullPointerException\n\tat a.B.c(B.java:3)\n",
            "1 Exception in thread \"main\" java.lang.NullPointerException",
        ),
        (
            "terminate called after throwing an instance of 'std::bad_alloc'\n",
            "1 terminate called after throwing an instance of 'std::bad_alloc'",
        ),
        ("a.out: a.c:4: main: Assertion `x > 0' failed.\nAborted (core dumped)\n", "1 a.out: a.c:4: main: Assertion `x > 0' failed."),
        ("2026-11-20 09:22:41 | FATAL | no licence\n", "1 2026-11-20 09:22:41 | FATAL | no licence"),
        ("F1120 09:22:41.000001    12 a.cc:9] Check failed: n > 0\n", "1 F1120 09:22:41.000001    12 a.cc:9] Check failed: n > 0"),
        ("TypeError: x is not a function\n    at Object.<anonymous> (/code/a.js:1:1)\n", "1 TypeError: x is not a function"),
    ]);
}

#[test]
fn what_could_not_be_built_or_installed_is_found() {
    check(&[
        (
            "gcc -c a.c\na.c:12:3: warning: unused variable\na.c:14:9: error: expected ';' before 'return'\nmake: *** [Makefile:3: a.o] Error 1\n",
            "3 a.c:14:9: error: expected ';' before 'return'",
        ),
        ("k.cu(12): error: identifier \"x\" is undefined\n", "1 k.cu(12): error: identifier \"x\" is undefined"),
        ("a.cpp:1:10: fatal error: foo.h: No such file or directory\n", "1 a.cpp:1:10: fatal error: foo.h: No such file or directory"),
        (
            "error[E0425]: cannot find value `x` in this scope\n --> src/main.rs:2:5\nerror: could not compile `a`\n",
            "1 error[E0425]: cannot find value `x` in this scope",
        ),
        (
            "/usr/bin/ld: a.o: in function `main':\na.c:(.text+0x5): undefined reference to `foo'\n",
            "2 a.c:(.text+0x5): undefined reference to `foo'",
        ),
        ("./main.go:5:2: undefined: fmt.Printl\n", "1 ./main.go:5:2: undefined: fmt.Printl"),
        ("src/a.ts(3,5): error TS2304: Cannot find name 'x'.\n", "1 src/a.ts(3,5): error TS2304: Cannot find name 'x'."),
        ("make: *** No rule to make target 'x'.  Stop.\n", "1 make: *** No rule to make target 'x'.  Stop."),
        (
            "ERROR: Could not find a version that satisfies the requirement torch==9 (from versions: 2.9.0)\nERROR: No matching distribution found for torch==9\n",
            "1 ERROR: Could not find a version that satisfies the requirement torch==9 (from versions: 2.9.0)",
        ),
        (
            "[slipway: set-up: environment 94e0 (uv, uv.lock)]\nUsing CPython 3.12.4\n  × No solution found when resolving dependencies:\n  ╰─▶ Because a>=2 …\n[slipway: set-up: environment 94e0 (uv, uv.lock): failed after 0.4 s]\n[slipway: DependencyResolutionFailed: no solution]\n",
            "3 × No solution found when resolving dependencies:",
        ),
        (
            "  error: subprocess-exited-with-error\n  × python setup.py egg_info did not run successfully.\n",
            "1 error: subprocess-exited-with-error",
        ),
        ("fatal: repository 'https://git.example.com/x' not found\n", "1 fatal: repository 'https://git.example.com/x' not found"),
        ("E: Unable to locate package libfoo\n", "1 E: Unable to locate package libfoo"),
        ("npm ERR! code E404\n", "1 npm ERR! code E404"),
        ("E       assert 1 == 2\n\ntest_a.py:3: AssertionError\n=== 1 failed, 2 skipped in 0.1s ===\n", "1 E       assert 1 == 2"),
    ]);
}

#[test]
fn messages_at_the_level_of_an_error_are_found() {
    check(&[
        ("bash: nvidia-smi: command not found\n", "1 bash: nvidia-smi: command not found"),
        ("/bin/sh: 1: pythn: not found\n", "1 /bin/sh: 1: pythn: not found"),
        (
            "python: can't open file '/code/trian.py': [Errno 2] No such file or directory\n",
            "1 python: can't open file '/code/trian.py': [Errno 2] No such file or directory",
        ),
        ("cat: data.csv: No such file or directory\n", "1 cat: data.csv: No such file or directory"),
        ("ERROR:root:no data\n", "1 ERROR:root:no data"),
        ("[2026-11-20 09:22:41,123][trainer][ERROR] - no GPU\n", "1 [2026-11-20 09:22:41,123][trainer][ERROR] - no GPU"),
        ("2026-11-20T09:22:41Z ERROR app: cannot connect\n", "1 2026-11-20T09:22:41Z ERROR app: cannot connect"),
        ("time=09:22 level=error msg=\"no disk\"\n", "1 time=09:22 level=error msg=\"no disk\""),
        ("{\"level\":\"error\",\"msg\":\"x\"}\n", "1 {\"level\":\"error\",\"msg\":\"x\"}"),
        ("train.py: error: unrecognized arguments: --lrr\n", "1 train.py: error: unrecognized arguments: --lrr"),
        ("slurmstepd: error: *** JOB 1 ***\n", "1 slurmstepd: error: *** JOB 1 ***"),
        ("cp: error writing 'x': No space left on device\n", "1 cp: error writing 'x': No space left on device"),
        (
            "[slipway: cannot start nosuch: No such file or directory (os error 2)]\n",
            "1 [slipway: cannot start nosuch: No such file or directory (os error 2)]",
        ),
        // The program's own end is heavier than what a shell said before it.
        (&format!("bash: nvidia-smi: command not found\n{OOM}"), &format!("10 {OOM_LINE}")),
        ("ls: cannot access 'x': No such file or directory\nError: no config\n", "2 Error: no config"),
    ]);
}

#[test]
fn where_there_is_no_error_none_is_found() {
    let long = "working on it\n".repeat(60);
    for log in [
        "",
        "hello\n",
        "error_rate=0.1\n",
        "0 errors, 3 warnings\n",
        "errors: 0\n",
        "loss: error\n",
        "error: 0.123 acc: 0.9\n",
        "Error: 0.5%\n",
        "val error: 0.25\n",
        "mean squared error 0.2\n",
        "ERROR RATE 12%\n",
        "ERROR: 0\n",
        "test_error_handling PASSED\n",
        "last_error=None\n",
        "INFO error handling is on\n",
        "2026-11-20 09:22:41 INFO no ERROR so far\n",
        "2026-11-20 09:22:41 WARNING CUDA out of memory. Trying again\n",
        "WARNING: CUDA out of memory. Retrying with batch size 8\n",
        "warning: unused variable: `error`\n",
        "a.c:3:1: warning: unused variable 'error'\n",
        "Compiling thiserror v2.0.1\n",
        "downloading error: ignored\n",
        "Killed 3 stale workers\n",
        "killed\n",
        "the panic button\n",
        "exceptions are raised\n",
        "except torch.OutOfMemoryError:\n",
        "fatality rate 0.2\n",
        "not found in cache, building\n",
        "Looking for: no such file, creating it\n",
        "ERROR: pip's dependency resolver does not currently take into account all the packages that are installed.\n",
        "curl: not an error\n",
        "make: Nothing to be done for 'all'.\n",
        "FAILED: 0\n".trim_end_matches("FAILED: 0\n"),
        "note: this error is expected\n",
        "[slipway: 12 bytes of output dropped here]\n",
        "[slipway: set-up: fetch the code: no route to host; trying again]\n",
        "ERROR: upload failed\nretrying in 3 s\n",
        "error: connection reset\nstep 12 loss 0.3\n",
        &format!("ERROR: no metrics server\n{long}"),
        "error: first try\nSuccessfully installed six-1.17\n",
        "[slipway: set-up: e]\nERROR: could not read the cache\n[slipway: set-up: e: done in 0.4 s]\n",
        "\u{1}\u{2}\0\u{fffd}\n",
    ] {
        assert_eq!(told(log), "", "{log:?}");
    }
}

#[test]
fn the_line_stands_among_its_neighbours() {
    let log = format!("{}Error: no\u{1b}]0;x\u{7} data\nafter\tit\n", epochs(0, 9));
    let found = found(&log).unwrap();
    assert_eq!(
        with_context(&found).replace("\u{1b}[1;31m", "").replace("\u{1b}[0m", ""),
        "   7  epoch 6: loss 0.6\n   8  epoch 7: loss 0.7\n   9  epoch 8: loss 0.8\n> 10  Error: no data\n  11  after it\n"
    );
}

#[test]
fn whatever_comes_it_stays_small_and_ends() {
    let mut finder = Finder::default();
    finder.push(&b"error: x ".repeat(1 << 16));
    finder.push(&b"\rERROR: y".repeat(1 << 14));
    for n in 0..1_000 {
        finder.push(format!("\nerror: {n}a").as_bytes());
        finder.push(b"\xff\xfe\0\x1b[");
    }
    assert!(finder.line.len() <= LONGEST && finder.suspects.len() <= 3 * MOST && finder.recent.len() <= AROUND);
    assert_eq!(finder.finish().unwrap().text.chars().count(), 500);
}
