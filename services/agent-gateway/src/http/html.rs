//! The page for devices as HTML.

use crate::store::teams::Team;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use types::api::device::PendingCode;
use types::api::plugin::PluginView;
use web::page::{Frame, escape, sign_in_form, stamp, wrong};

/// Answers with a page; `body` is HTML.
pub(super) fn page(status: StatusCode, body: &str) -> HttpResponse {
    Frame { title: "Enrol a device", wide: false, refresh: None }.page(status, body)
}

/// Asks who the visitor is; `code` is kept for after that.
pub(super) fn sign_in(code: &str, fault: &str) -> String {
    let (fault, form) = (wrong(fault), sign_in_form("/device/session", ("code", code)));
    format!(
        "{fault}<p>Sign in with the API key of an investigator who may change agents. The code is entered after that.</p>\
         {form}<p>From a terminal: <code>writ enrol pending</code>, <code>writ enrol approve</code>.</p>"
    )
}

/// Asks for a code.
pub(super) fn enter_code(csrf: &str, fault: &str) -> String {
    let fault = wrong(fault);
    format!(
        "{fault}<p>Type the code that the device shows.</p>\
         <form method=\"post\" action=\"/device/code\"><input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\
         <label for=\"code\">Code</label>\
         <input id=\"code\" name=\"code\" type=\"text\" autocomplete=\"off\" autocapitalize=\"characters\" \
         maxlength=\"20\" placeholder=\"XXXX-XXXX\" required><button>Continue</button></form>{}",
        sign_out(csrf)
    )
}

/// Shows a device and asks what becomes of it.
pub(super) fn decide(
    csrf: &str,
    code: &PendingCode,
    teams: &[Team],
    plugins: &[PluginView],
    fault: &str,
) -> String {
    let teams: Vec<String> = teams
        .iter()
        .map(|team| format!("<option value=\"{}\">{}</option>", team.id, escape(&team.name)))
        .collect();
    let plugins: Vec<String> = plugins
        .iter()
        .map(|plugin| {
            let (id, name) = (plugin.id, escape(&plugin.name));
            let version = escape(&plugin.version.to_string());
            format!(
                "<label><input type=\"checkbox\" name=\"plugin\" value=\"{id}\"> {name} {version}</label>"
            )
        })
        .collect();
    let facts: Vec<String> = [
        ("Code", code.user_code.clone()),
        ("Asks from", code.address.clone()),
        ("Asked at", stamp(code.created)),
        ("The code dies at", stamp(code.expires)),
        ("Calls itself", code.client_id.clone()),
        ("Program", code.user_agent.clone()),
    ]
    .iter()
    .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value)))
    .collect();
    let (teams, plugins, facts) = (teams.concat(), plugins.concat(), facts.concat());
    let (letters, fault) = (escape(&code.user_code), wrong(fault));
    format!(
        "{fault}<p>Approve only a device that you or somebody you know has just started, and whose code you read on \
         the device itself.</p><dl>{facts}</dl>\
         <form method=\"post\" action=\"/device\"><input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\
         <input type=\"hidden\" name=\"code\" value=\"{letters}\">\
         <label for=\"name\">Name of the agent</label><input id=\"name\" name=\"name\" type=\"text\" maxlength=\"1024\">\
         <label for=\"team\">Team</label><select id=\"team\" name=\"team\"><option value=\"\">none</option>{teams}</select>\
         <fieldset><legend>Plugins</legend>{plugins}</fieldset>\
         <button name=\"decision\" value=\"approve\">Approve</button>\
         <button name=\"decision\" value=\"deny\">Deny</button></form>{}",
        sign_out(csrf)
    )
}

/// Says what became of a device.
pub(super) fn decided(text: &str) -> String {
    format!("<p role=\"status\">{}</p><p><a href=\"/device\">Another code</a></p>", escape(text))
}

fn sign_out(csrf: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/device/session/end\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{csrf}\"><button>Sign out</button></form>"
    )
}
