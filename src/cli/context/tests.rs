//! Which server is called, and with which token.

use super::*;
use crate::cli::testing::Bench;
use secrecy::ExposeSecret;

#[test]
fn a_token_comes_from_the_nearest_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("admin-token"), "slw_admin\n").unwrap();
    std::fs::write(dir.path().join("mine"), "  slw_file\n").unwrap();
    std::fs::write(
        dir.path().join("contexts.yaml"),
        "current: prod\ncontexts:\n  prod: {url: 'https://prod', token: slw_prod}\n  near: {url: 'http://127.0.0.1:9'}\n  file: {url: 'https://f', tokenFile: mine}\n",
    )
    .unwrap();
    let with = |credential, place| {
        let common = Common { credential, place, data_dir: Some(dir.path().into()), ..Common::default() };
        let around = Surroundings { contexts: dir.path().join("contexts.yaml"), ..Bench::default().surroundings() };
        Context::new(common, around, Config::default())
    };
    let token = |credential, place| {
        let context = with(credential, place);
        let target = context.target().unwrap();
        let entry = Entry { url: target.url.clone(), ..target.entry.unwrap_or_default() };
        let token = context.token(&entry).unwrap().map(|token| token.expose_secret().to_owned());
        (target.url, token.unwrap_or_default())
    };
    let url = |url: &str| Place { url: Some(url.to_owned()), context: None };
    let named = |name: &str| Place { url: None, context: Some(name.to_owned()) };
    let is = |url: &str, token: &str| (url.to_owned(), token.to_owned());
    let nothing = Credential::default;
    assert_eq!(token(nothing(), Place::default()), is("https://prod", "slw_prod"));
    assert_eq!(token(nothing(), url("https://prod/")), is("https://prod/", "slw_prod"));
    assert_eq!(token(nothing(), url("https://other")), is("https://other", ""), "no other server gets a context's token");
    assert_eq!(token(nothing(), named("near")), is("http://127.0.0.1:9", "slw_admin"));
    assert_eq!(token(nothing(), url(DEFAULT_URL)), is(DEFAULT_URL, "slw_admin"));
    let variable = || Credential { token: Some("slw_env".to_owned().into()), file: None };
    assert_eq!(token(variable(), Place::default()), is("https://prod", "slw_env"));
    let file = Credential { file: Some(dir.path().join("mine")), token: None };
    assert_eq!(token(file, url("https://far")), is("https://far", "slw_file"));
    let context = with(Credential { file: Some("/nowhere/t".into()), token: None }, url(DEFAULT_URL));
    let failure = context.client().unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.message.unwrap().starts_with("cannot read the token /nowhere/t: No such file"));
    assert_eq!(with(nothing(), named("prd")).client().unwrap_err().exit, Exit::NotFound);
    assert_eq!(Bench::default().context(Common::default()).target().unwrap().url, DEFAULT_URL);
}
