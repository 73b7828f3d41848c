use super::*;

const SCREEN: Screen = Screen {
    escapes: true,
    paint: false,
    marks: Marks { done: "✔ ", doing: "", failed: "", remark: "", between: "" },
    fold: true,
    live: false,
};

fn plain() -> Manner {
    Manner { show: Show::Plain, ..Manner::default() }
}

fn terminal(screen: Screen) -> Manner {
    Manner { show: Show::Terminal(screen), ..Manner::default() }
}

fn shown(manner: &Manner, pieces: &[&str]) -> String {
    let mut lines = Lines::new(manner.clone(), true);
    let mut out: Vec<u8> = pieces.iter().flat_map(|piece| lines.push(piece.as_bytes()).into_owned()).collect();
    out.extend(lines.finish());
    String::from_utf8(out).unwrap()
}

#[test]
fn progress_that_was_overwritten_and_colours_stay_away_from_files() {
    for (pieces, text) in [
        (&["a\n", "b"][..], "a\nb"),
        (&["1%\r", "50%\r100%\nnext\r\n"], "100%\nnext\r\n"),
        (&["1%\r2%\r"], "2%\r"),
        (&["\x1b[3", "1mred\x1b[0m\n"], "red\n"),
        (&["\x1b[2K\r10%", "\x1b[2K\r20%"], "20%"),
        (&["::group::a\n+++ b\n::endgroup::\n"], "::group::a\n+++ b\n::endgroup::\n"),
        (&[SETUP, "hello\n"], &[SETUP, "hello\n"].concat()),
    ] {
        assert_eq!(shown(&plain(), pieces), text, "{pieces:?}");
        assert_eq!(shown(&Manner::default(), pieces), pieces.concat(), "as it is");
    }
    let bar = format!("{}done\n", "x".repeat(1_000) + "\r").repeat(1_000);
    assert_eq!(shown(&plain(), &[&bar]), "done\n".repeat(1_000));
    assert_eq!(shown(&terminal(SCREEN), &[&bar]), "done\n".repeat(1_000));
    let endless = "y".repeat(3 * LONGEST);
    assert_eq!(shown(&plain(), &[&endless]).len(), endless.len(), "nothing is held for ever");
}

#[test]
fn lines_are_found_whatever_their_colours() {
    let grep = Manner { grep: Some(Regex::new("loss$").unwrap()), ..terminal(SCREEN) };
    assert_eq!(shown(&grep, &["a \x1b[31mlo", "ss\x1b[0m\r\nb\n", "loss", " x\nloss"]), "a \x1b[31mloss\x1b[0m\r\nloss");
}

#[test]
fn the_last_lines_are_counted_from_the_end() {
    for (text, count, begins) in [
        ("a\nb\nc\n", 1, Some(4)),
        ("a\nb\nc", 1, Some(4)),
        ("a\nb\nc\n", 2, Some(2)),
        ("a\nb\nc\n", 3, None),
        ("\n\n\n", 2, Some(1)),
        ("a\n", 0, Some(2)),
        ("", 1, None),
    ] {
        assert_eq!(last(text.as_bytes(), count), begins, "{text:?} {count}");
    }
}

const SETUP: &str = "\
[slipway: set-up: git https://git.example.com/v @ 4f2a91c]
Cloning into 'code'...
done.
[slipway: set-up: git https://git.example.com/v @ 4f2a91c: done in 1.3 s]
[slipway: set-up: unpack the files]
[slipway: set-up: unpack the files: done in 0.1 s]
[slipway: set-up: no uv in the image, so pip]
[slipway: set-up: environment 94e0 (venv, requirements.txt)]
Collecting six
[slipway: set-up: environment 94e0 (venv, requirements.txt): done in 12.0 s]
";

const FOLDED: &str = "\
✔ set-up: git https://git.example.com/v @ 4f2a91c  1.3 s  2 lines, --phase setup shows them
✔ set-up: unpack the files  0.1 s
[slipway: set-up: no uv in the image, so pip]
✔ set-up: environment 94e0 (venv, requirements.txt)  12.0 s  1 line, --phase setup shows it
";

#[test]
fn steps_that_ended_well_are_one_line_at_a_terminal() {
    let hello = "hello\n[slipway: set-up: mine]\nx\n[slipway: set-up: mine: done in 1.0 s]\n";
    let whole = [SETUP, hello].concat();
    assert_eq!(shown(&terminal(SCREEN), &[&whole]), [FOLDED, hello].concat());
    let bytes: Vec<_> = whole.split("").collect();
    assert_eq!(shown(&terminal(SCREEN), &bytes), [FOLDED, hello].concat(), "however it comes");
    assert_eq!(shown(&terminal(Screen { fold: false, ..SCREEN }), &[&whole]), whole);
    let mut lines = Lines::new(terminal(SCREEN), false);
    assert_eq!(String::from_utf8(lines.push(SETUP.as_bytes()).into_owned()).unwrap(), SETUP, "where the beginning was not seen");
}

#[test]
fn a_step_that_failed_or_goes_on_is_shown_whole() {
    let begun = "[slipway: set-up: environment e (uv, uv.lock)]\n  × No solution found\n";
    for end in ["", "[slipway: set-up: environment e (uv, uv.lock): failed after 0.4 s]\n[slipway: DependencyResolutionFailed: no]\n"] {
        assert_eq!(shown(&terminal(SCREEN), &[SETUP, begun, end]), [FOLDED, begun, end].concat());
    }
    let long = format!("{}\n", "Downloading ".repeat(1_000)).repeat(MOST_HELD / 10_000);
    let huge = ["[slipway: set-up: a]\n", &long, "[slipway: set-up: a: done in 9.0 s]\n"].concat();
    assert_eq!(shown(&terminal(SCREEN), &[&huge]), ["[slipway: set-up: a]\n", &long, "✔ set-up: a  9.0 s\n"].concat());
}

#[test]
fn who_follows_sees_a_step_while_it_goes_on() {
    let mut lines = Lines::new(terminal(Screen { live: true, ..SCREEN }), true);
    let push = |lines: &mut Lines, text: &str| String::from_utf8(lines.push(text.as_bytes()).into_owned()).unwrap();
    assert_eq!(push(&mut lines, SETUP), FOLDED, "what is over already");
    assert!(!lines.waits());
    assert_eq!(push(&mut lines, "[slipway: set-up: e]\nResolving"), "");
    assert!(lines.waits());
    assert_eq!(lines.settle(), b"[slipway: set-up: e]\nResolving");
    assert!(!lines.waits());
    assert_eq!(push(&mut lines, " 12\nDownloading\n"), " 12\nDownloading\n", "at once from then on");
    assert_eq!(push(&mut lines, "[slipway: set-up: e: done in 3.0 s]\n"), "✔ set-up: e  3.0 s\n");
    assert_eq!(push(&mut lines, " 1%\r"), " 1%\r", "a bar moves");
    assert_eq!(push(&mut lines, " 2%\r\x1b[2K"), " 2%\r");
    assert_eq!(push(&mut lines, "\nprompt> "), "\n");
    assert_eq!(lines.settle(), b"prompt> ");
    assert_eq!(push(&mut lines, "yes\nend"), "yes\n");
    assert_eq!(lines.finish(), b"end");
}

#[test]
fn one_part_is_printed_alone() {
    let run = "hello\n\x1b[1m[slipway: set-up: mine]\n1%\r2%\n";
    let pieces = [SETUP, run];
    for (show, setup, own) in [
        (Show::Raw, SETUP, run),
        (Show::Plain, SETUP, "hello\n[slipway: set-up: mine]\n2%\n"),
        (Show::Terminal(SCREEN), FOLDED, "hello\n\x1b[1m[slipway: set-up: mine]\n2%\n\x1b[0m"),
    ] {
        let part = |part| shown(&Manner { show, part: Some(part), grep: None }, &pieces);
        assert_eq!((part(Part::Setup).as_str(), part(Part::Run).as_str()), (setup, own), "{show:?}");
    }
}

#[test]
fn groups_of_the_users_own_stand_out_and_hide_nothing() {
    let log = "::group::Build\x1b]0;t\x07\nmake\n::endgroup::\n--- Tests\nok\n";
    let painted = Screen { paint: true, ..SCREEN };
    assert_eq!(shown(&terminal(painted), &[log]), "\x1b[1mBuild\x1b[0m\nmake\n\x1b[1m--- Tests\x1b[0m\nok\n");
    assert_eq!(shown(&terminal(Screen { live: true, ..painted }), &[&log[..4], &log[4..]]), shown(&terminal(painted), &[log]));
    assert_eq!(shown(&terminal(SCREEN), &[log]), log.replace("\x1b]0;t\x07", ""), "without colours as they are");
}
