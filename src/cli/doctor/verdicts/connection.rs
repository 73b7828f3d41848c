//! The server itself, and the way to it.

use super::seen;
use crate::{
    cli::{
        doctor::{
            certificate,
            facts::{Facts, Greeted, Trouble},
            report::{Check, Line},
        },
        exit::loopback,
        span::{age, between},
    },
    wire::{ProblemCode, Role, Runner, Timestamp},
};
use std::{net::IpAddr, time::Duration};

/// It is reached, and ready.
pub(super) fn server(facts: &Facts) -> Line {
    let greeted = match &facts.greeted {
        Ok(greeted) => greeted,
        Err(trouble) => return Line::fail(Check::Server, trouble.text(), away(trouble, &facts.url)),
    };
    let answers = format!("{} answers in {} ms", facts.url, greeted.took.as_millis());
    match &facts.ready {
        Ok(()) => Line::ok(Check::Server, format!("{answers} and is ready")),
        Err(trouble) => Line::fail(
            Check::Server,
            format!("{answers} and is not ready: {}", trouble.text()),
            "look at its log: kubectl logs deploy/RELEASE-server, or where slipway server runs; is its disk full or gone?",
        ),
    }
}

fn away(trouble: &Trouble, url: &str) -> &'static str {
    match trouble {
        _ if trouble.is_of_certificate() => "see the check tls",
        Trouble::Away(_) if loopback(url) => "start one with slipway up, or name another: --url URL, or SLIPWAY_URL",
        Trouble::Away(_) => {
            "check the address (--url URL, or SLIPWAY_URL), that the server runs, and what stands between: DNS, firewall, NetworkPolicy"
        }
        Trouble::Foreign(..) => "does --url or SLIPWAY_URL name a Slipway server? What stands before it must pass /version on",
        Trouble::Refused(..) => "look at the server's log",
        Trouble::Unasked(_) => "an address looks like this: https://slipway.example.org",
    }
}

/// A certificate with less than this left is to be renewed, where that is little of its life.
const SOON: Duration = Duration::from_hours(14 * 24);
/// With less than this left it is late.
const LATE: Duration = Duration::from_hours(2 * 24);

/// The connection is encrypted where it must be.
pub(super) fn tls(facts: &Facts) -> Line {
    let check = Check::Tls;
    if !facts.url.starts_with("https://") {
        return plain(facts);
    }
    let greeted = match &facts.greeted {
        Ok(greeted) => greeted,
        Err(trouble) if trouble.is_of_certificate() => return Line::fail(check, trouble.text(), distrust(trouble.text())),
        Err(_) => return Line::skip(check, "the server was not reached"),
    };
    let Some(validity) = greeted.greeting.certificate.as_deref().and_then(certificate::validity) else {
        return Line::warn(
            check,
            "the certificate is trusted; until when it is good cannot be read",
            "look at it: openssl s_client -connect HOST:443",
        );
    };
    let (left, life) = (between(facts.now, validity.until), between(validity.from, validity.until));
    let until = format!("the certificate is trusted, and good for {} more, until {:.0}", age(left), validity.until);
    let fix = "renew it now, and see why nothing did: cert-manager, or the Secret that the Ingress names";
    match () {
        () if left < LATE.min(life / 10) => Line::fail(check, until, fix),
        () if left < SOON.min(life / 4) => Line::warn(check, until, fix),
        () => Line::ok(check, until),
    }
}

fn plain(facts: &Facts) -> Line {
    let fix = "give the server a certificate (Ingress with TLS) and use its https address";
    match () {
        () if loopback(&facts.url) => Line::ok(Check::Tls, "plain http, which does not leave this machine"),
        () if facts.in_cluster || is_private(&facts.url) => {
            Line::warn(Check::Tls, "plain http: whoever is in this network can read tokens and logs", fix)
        }
        () => Line::fail(Check::Tls, "plain http over a public network: tokens and logs can be read on the way", fix),
    }
}

/// What to do about a certificate that is not taken.
fn distrust(text: &str) -> &'static str {
    match text {
        _ if text.contains("UnknownIssuer") => {
            "name the authority that issued it (--ca-file FILE, or SLIPWAY_CA_FILE), or give the server one from an authority that everybody trusts; the server must send the whole chain"
        }
        _ if text.contains("xpired") => "renew the server's certificate; if it is new, set this machine's clock",
        _ if text.contains("NotValidYet") => "set the clocks: the certificate is of the future here",
        _ if text.contains("not valid for") || text.contains("NotValidForName") => {
            "use a name that stands in the certificate, or issue one for this name"
        }
        _ => "look at what the server sends: openssl s_client -connect HOST:443 -showcerts",
    }
}

/// Whether an address is of a network that is not the public one.
pub(super) fn is_private(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => is_of_cluster(&host) || [".local", ".internal", ".lan", ".home.arpa"].iter().any(|end| host.ends_with(end)),
    }
}

/// Whether a name is one that only pods of a cluster know.
pub(super) fn is_of_cluster(host: &str) -> bool {
    let labels: Vec<_> = host.split('.').collect();
    labels.len() == 1 || labels.contains(&"svc") || labels.ends_with(&["cluster", "local"])
}

/// Clocks that differ by no more agree.
const AGREE: Duration = Duration::from_secs(5);
/// Beyond this tokens are taken for expired, or for not valid yet.
const APART: Duration = Duration::from_mins(1);

/// The clocks of both ends agree.
pub(super) fn clock(facts: &Facts) -> Line {
    let Ok(Greeted { greeting, at, took }) = &facts.greeted else { return Line::skip(Check::Clock, "the server was not reached") };
    let Some(date) = greeting.date else {
        return Line::skip(Check::Clock, "no answer bears a date").unless("let what stands before the server pass the header Date on");
    };
    let (ahead, apart) = apart(*at, date, *took);
    let seen = match ahead {
        _ if apart.is_zero() => "the clocks agree to the second".to_owned(),
        true => format!("this machine's clock is {} ahead of the server's", age(apart)),
        false => format!("this machine's clock is {} behind the server's", age(apart)),
    };
    let fix = "set both clocks by NTP (chrony, systemd-timesyncd): tokens expire by them, and times of day are read by them";
    match () {
        () if apart <= AGREE => Line::ok(Check::Clock, seen),
        () if apart <= APART => Line::warn(Check::Clock, seen, fix),
        () => Line::fail(Check::Clock, seen, fix),
    }
}

/// Whether the clock here is ahead, and by how much at least: the server's is told to the second, and somewhere within the time
/// that the answer took.
fn apart(here: Timestamp, there: Timestamp, took: Duration) -> (bool, Duration) {
    let there_late = there + Duration::from_secs(1);
    let slack = took / 2;
    if here > there_late {
        (true, between(there_late, here).saturating_sub(slack))
    } else {
        (false, between(here, there).saturating_sub(slack))
    }
}

/// A write that takes longer holds everybody up.
const SLOW_COMMIT_MS: u64 = 250;

/// The database reads and writes.
pub(super) fn database(facts: &Facts) -> Line {
    let health = match seen(Check::Database, facts.health.as_ref()) {
        Ok(health) => health,
        Err(line) if facts.ready.is_err() => return Line { fix: "see the check server".into(), ..line },
        Err(line) => return line,
    };
    let db = &health.database;
    let told =
        format!("{}, schema {} of {}, read in {} ms, written in {} ms", db.kind, db.schema, db.known_schema, db.read_ms, db.commit_ms);
    if db.schema != db.known_schema {
        return Line::fail(Check::Database, told, "start the server anew: it brings its database to its own schema when it starts");
    }
    if db.commit_ms > SLOW_COMMIT_MS {
        return Line::warn(Check::Database, told, "give the data directory a faster disk: an SSD that is not shared over a network");
    }
    Line::ok(Check::Database, told)
}

/// A store that takes longer keeps uploads, and the ends of attempts, waiting.
const SLOW_STORE_MS: u64 = 2_000;

/// The place where the server keeps bytes takes them.
pub(super) fn bytes(facts: &Facts) -> Line {
    let health = match seen(Check::Bytes, facts.health.as_ref()) {
        Ok(health) => health,
        Err(line) if facts.ready.is_err() => return Line { fix: "see the check server".into(), ..line },
        Err(line) => return line,
    };
    match health.bytes.as_ref().map(|bytes| (bytes.url.as_deref(), bytes.took_ms)) {
        None => Line::skip(Check::Bytes, "the server is of a version that does not tell this").unless("upgrade the server"),
        Some((None, _)) => Line::ok(Check::Bytes, "they are kept in the data directory"),
        Some((Some(url), None)) => {
            let fix = "look into the server's log; what agents have sent waits on their side and on the server's disk";
            Line::fail(Check::Bytes, format!("the object store {url} does not take an object and give it back"), fix)
        }
        Some((Some(url), Some(ms))) if ms > SLOW_STORE_MS => {
            let fix = "give the server an object store in its own region, with an address nearer to it";
            Line::warn(Check::Bytes, format!("{url} took {ms} ms to write, read and delete an object"), fix)
        }
        Some((Some(url), Some(ms))) => Line::ok(Check::Bytes, format!("{url}, written, read and deleted in {ms} ms")),
    }
}

/// Client, server and runners are of versions that work together.
pub(super) fn versions(facts: &Facts) -> Vec<Line> {
    let Ok(greeted) = &facts.greeted else { return Vec::new() };
    let server = &greeted.greeting.version.version;
    let mut lines = vec![skew("this program", facts.client, server, "install the slipway of the server's version")];
    let none = Vec::new();
    let runners = facts.runners.as_ref().and_then(|runners| runners.as_ref().ok()).unwrap_or(&none);
    let others = runners.iter().filter(|runner| super::runners::is_alive(runner, facts.there()));
    let line = |runner: &Runner| skew(runner.name.as_str(), &runner.version, server, "upgrade the older of the two").about(&runner.name);
    lines.extend(others.map(line).filter(|line| line.verdict != super::super::report::Verdict::Ok));
    lines
}

/// Of one minor version apart it is known that they work together with the calls that both have.
fn skew(who: &str, theirs: &str, server: &str, fix: &str) -> Line {
    let told = format!("{who} is {theirs}, the server {server}");
    match (parts(theirs), parts(server)) {
        (Some(one), Some(other)) if one == other => Line::ok(Check::Version, told),
        (Some((major, minor)), Some((other, its))) if major == other && minor.abs_diff(its) == 1 => {
            Line::warn(Check::Version, format!("{told}: one minor version apart"), fix)
        }
        (Some(_), Some(_)) => Line::fail(Check::Version, format!("{told}: too far apart"), fix),
        _ => Line::warn(Check::Version, format!("{told}: these cannot be compared"), fix),
    }
}

/// Major and minor.
fn parts(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.trim_start_matches('v').split(['.', '-', '+']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The token is taken, and for what.
pub(super) fn token(facts: &Facts) -> Line {
    let check = Check::Token;
    let name = "name one: SLIPWAY_TOKEN, or --token-file FILE; an admin makes it: slipway token create NAME --role submitter";
    match &facts.me {
        None => Line::skip(check, "not asked"),
        Some(Ok(me)) => {
            let told = format!("{} with the role {}", me.user, me.role);
            match me.role {
                Role::Viewer => Line::ok(check, format!("{told}, which submits nothing")),
                _ => Line::ok(check, told),
            }
        }
        Some(Err(Trouble::Refused(ProblemCode::Unauthenticated, text))) => Line::fail(check, text, name),
        Some(Err(Trouble::Refused(ProblemCode::Forbidden, text))) => {
            Line::fail(check, text, "this is a runner's token: name a user's, with the role viewer or more")
        }
        Some(Err(trouble @ Trouble::Unasked(_))) => Line::fail(
            check,
            trouble.text(),
            "use the server's https address; where the way there is yours alone: --allow-plain-http, or SLIPWAY_ALLOW_PLAIN_HTTP=true",
        ),
        Some(Err(trouble)) => Line::fail(check, trouble.text(), super::remedy(trouble)),
    }
}
