//! `slipway config get`

use super::{
    ConfigArgs,
    keys::{self, KEYS, Kind},
    layers::{Origin, Setting, Settings, shown},
};
use crate::{
    cli::{
        console::ColorChoice,
        context::Context,
        exit::{Exit, Failure},
        table::{Table, cell},
    },
    domain::did_you_mean,
};
use clap::ValueEnum;
use serde::Serialize;

/// A value that counts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    key: String,
    /// None where it is up to the server.
    value: Option<String>,
    origin: Origin,
}

/// Prints what counts: all of it, or one value.
pub(super) fn run(key: Option<&str>, with_origin: bool, args: &ConfigArgs, context: &Context) -> Result<Exit, Failure> {
    let all = effective(args, context)?;
    let Some(key) = key else {
        let names = |all: &Vec<Shown>| all.iter().map(|shown| shown.key.clone()).collect();
        context.print(&all, names, |all| table(all, with_origin).render(context.headers(), context.width()))?;
        return Ok(Exit::Ok);
    };
    known(key)?;
    let below = format!("{key}.");
    let found: Vec<_> = all.into_iter().filter(|shown| shown.key == key || shown.key.starts_with(&below)).collect();
    match found.as_slice() {
        [] => return Err(Failure::new(Exit::NotFound, format!("{key} is not set")).hint(format!("slipway config set {key} VALUE"))),
        [one] if one.key == key => {
            let value = |shown: &Shown| shown.value.clone().unwrap_or_default();
            let line = |shown: &Shown| if with_origin { format!("{}\t{}\n", value(shown), shown.origin) } else { value(shown) + "\n" };
            context.print(one, |shown| vec![shown.key.clone()], line)?;
        }
        _ => {
            let names = |all: &Vec<Shown>| all.iter().map(|shown| shown.key.clone()).collect();
            context.print(&found, names, |all| table(all, with_origin).render(context.headers(), context.width()))?;
        }
    }
    Ok(Exit::Ok)
}

/// The key that a text names; `url` is told as well, though nobody sets it here.
///
/// # Errors
/// There is no such key.
pub(super) fn known(key: &str) -> Result<(), Failure> {
    let group = KEYS.iter().any(|known| known.name.starts_with(&format!("{key}.")));
    if key == "url" || group || keys::find(key).is_some() {
        return Ok(());
    }
    Err(unknown(key))
}

/// There is no such key.
pub(super) fn unknown(key: &str) -> Failure {
    let failure = Failure::usage(format!("there is no key {key:?}"));
    let near = did_you_mean(key, KEYS.iter().map(|known| known.name))
        .or_else(|| KEYS.iter().map(|known| known.name).find(|known| known.rsplit('.').next() == Some(key)));
    match near {
        Some(near) => failure.hint(format!("did you mean {near:?}?")),
        None => failure.hint("all keys: slipway config get"),
    }
}

fn effective(args: &ConfigArgs, context: &Context) -> Result<Vec<Shown>, Failure> {
    let mut all = Settings::new();
    let said = |value: String, origin: Origin| Setting { value, origin };
    let (place, origins) = (&args.common.place, &context.said);
    let target = context.target()?;
    let origin = match (&place.url, &target.context) {
        (Some(_), _) if origins.variable("SLIPWAY_URL", place.url.as_deref()) => Origin::Variable("SLIPWAY_URL".to_owned()),
        (Some(_), _) => Origin::Flag("url"),
        (None, Some((name, _))) => Origin::Context(name.clone()),
        (None, None) => Origin::Default,
    };
    if let Some((name, by)) = target.context {
        all.insert("context".to_owned(), said(name, by));
    }
    all.insert("url".to_owned(), said(target.url, origin));
    let word = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned()).unwrap_or_default();
    if let Some(output) = args.common.output {
        all.insert("output".to_owned(), said(word(output.to_possible_value()), Origin::Flag("output")));
    }
    if let Some(color) = args.common.color {
        all.insert("color".to_owned(), said(word(color.to_possible_value()), Origin::Flag("color")));
    } else if context.common.color.is_none() {
        let terminal = context.console.terminal();
        let never = terminal.no_color.then_some((ColorChoice::Never, "NO_COLOR"));
        let always = terminal.force_color.then_some((ColorChoice::Always, "CLICOLOR_FORCE"));
        if let Some((color, name)) = never.or(always) {
            all.insert("color".to_owned(), said(word(color.to_possible_value()), Origin::Variable(name.to_owned())));
        }
    }
    for (key, setting) in &context.config.settings {
        // Which context counts is known by now: none where an address does.
        if key != "context" {
            all.entry(key.clone()).or_insert_with(|| setting.clone());
        }
    }
    let order = std::iter::once("url").chain(KEYS.iter().map(|key| key.name));
    Ok(order.flat_map(|name| of_key(name, &all)).collect())
}

/// What counts for a key: its value, its entries, or nothing.
fn of_key(name: &str, all: &Settings) -> Vec<Shown> {
    let show = |key: &str, setting: &Setting| Shown {
        key: key.to_owned(),
        value: Some(shown(key, &setting.value).to_owned()),
        origin: setting.origin.clone(),
    };
    if keys::find(name).is_some_and(|(key, _)| key.kind == Kind::Table) {
        let below = format!("{name}.");
        return all.iter().filter(|(key, _)| key.starts_with(&below)).map(|(key, setting)| show(key, setting)).collect();
    }
    let ours = match name {
        "output" => Some("table".to_owned()),
        "color" => Some("auto".to_owned()),
        _ => None,
    };
    let unset = Shown { key: name.to_owned(), value: ours, origin: Origin::Default };
    vec![all.get(name).map_or(unset, |setting| show(name, setting))]
}

fn table(all: &[Shown], with_origin: bool) -> Table {
    let value = |shown: &Shown| shown.value.clone().unwrap_or_else(|| "-".to_owned());
    let row = |shown: &Shown| {
        let mut row = vec![cell(&shown.key), cell(value(shown))];
        row.extend(with_origin.then(|| cell(&shown.origin)));
        row
    };
    let headers: &[&str] = if with_origin { &["KEY", "VALUE", "SET BY"] } else { &["KEY", "VALUE"] };
    Table::new(headers, all.iter().map(row).collect())
}
