//! Secrets in what a command prints, through everything that ever holds a byte of a log.

use crate::world::{Part, World};
use base64::{Engine, engine::general_purpose};
use slipway::wire::TaskState;
use std::{
    fs,
    path::{Path, PathBuf},
};

const SECRET: &str = "tr0ub4dor&3/correct horse \"battery\" staple";

/// How many times the secret is printed.
const TIMES: usize = 60_000;

/// What programs print where they print the secret, and what of it must show nowhere.
fn forms() -> Vec<(String, String)> {
    let each = |escape: &dyn Fn(char) -> String| SECRET.chars().map(escape).collect::<String>();
    let url = each(&|c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("%{:02X}", u32::from(c)) });
    let shell = each(&|c| if c.is_ascii_alphanumeric() || c == '/' { c.to_string() } else { format!("\\{c}") });
    let json = serde_json::to_string(SECRET).expect("JSON");
    let mut forms: Vec<_> =
        [SECRET, &url, &url.replace("%20", "+"), &shell, json.trim_matches('"')].map(|form| (form.to_owned(), form.to_owned())).into();
    for engine in [general_purpose::STANDARD_NO_PAD, general_purpose::URL_SAFE_NO_PAD] {
        for before in ["", "x", "xy"] {
            let text = engine.encode(format!("{before}{SECRET}"));
            // The characters at either end have bits of a neighbour.
            let own = text[4..text.len() - 2].to_owned();
            forms.push((text, own));
        }
    }
    forms
}

/// All files below a directory but those that the test itself made.
fn files(dir: &Path, own: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path != own);
    entries.flat_map(|path| if path.is_dir() && !path.is_symlink() { files(&path, own) } else { vec![path] }).collect()
}

fn shown(dir: &Path, own: &Path, forms: &[(String, String)]) -> Vec<String> {
    let holds = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap_or_default();
        let (_, form) = forms.iter().find(|(_, form)| bytes.windows(form.len()).any(|part| part == form.as_bytes()))?;
        Some(format!("{form:?} in {}", file.display()))
    };
    files(dir, own).iter().filter_map(holds).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_no_file_in_any_form() {
    let mut world = World::new();
    let own = world.root.join("own");
    fs::create_dir(&own).expect("a directory");
    fs::write(own.join("secret"), SECRET).expect("a file");
    let forms = forms();
    // Pieces of every size, so that reads cut the forms anywhere; enough in all for the spool.
    let noise = |n: usize| format!("{}\n", "-".repeat(n % 61));
    let printed: String = (0..TIMES).map(|n| format!("{}{}", forms[n % forms.len()].0, noise(n))).collect::<Vec<_>>().concat();
    fs::write(own.join("printed"), &printed).expect("a file");
    let all: usize = (0..TIMES).map(|n| noise(n).len()).sum();
    world.env = vec![("SLIPWAY_SECRET_FILES", own.join("secret").display().to_string())];
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    // Without a server the log goes to the spool.
    let script = format!(
        "note ready; while ! [ -e {0}/go ]; do sleep 0.01; done; cat {0}/printed; note printed; while ! [ -e {0}/end ]; do sleep 0.01; done",
        own.display()
    );
    let id = world.submit(&world.recorder.task(&script)).await;
    world.recorded(id, "ready").await;
    world.part(Part::Server).kill();
    fs::write(own.join("go"), "").expect("a file");
    world.recorded(id, "printed").await;
    let root = world.root.clone();
    let spools: u64 =
        files(&root, &own).iter().filter(|file| file.ends_with("spool")).map(|file| fs::metadata(file).map_or(0, |m| m.len())).sum();
    assert!(spools > 0, "nothing was spooled of {} bytes", printed.len());
    assert_eq!(shown(&root, &own, &forms), Vec::<String>::new());

    world.start(Part::Server);
    fs::write(own.join("end"), "").expect("a file");
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    let log = String::from_utf8(world.log(id, 0).await).expect("text");
    assert!(forms.iter().all(|(_, form)| !log.contains(form.as_str())));
    let (masked, left) = (log.matches("[masked]").count(), log.replace("[masked]", ""));
    assert_eq!(masked, TIMES);
    // Two characters at either end of base64 belong to a neighbour as well.
    assert!((all..all + TIMES * 4).contains(&left.len()), "{} bytes of {all}", left.len());
    assert_eq!(shown(&root, &own, &forms), Vec::<String>::new());
    world.nothing_left().await;
}
