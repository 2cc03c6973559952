//! The page for steps as HTML.

use super::page::may_respond;
use crate::store::steps::Step;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::fmt::Write;
use time::{Duration, OffsetDateTime};
use types::api::step::{StepDetail, StepEvent, StepState, StepView};
use types::cacao::{VariableType, parse_bool};
use types::messages::manual::{CacaoVariable, ManualCommand};
use web::Values;
use web::Visitor;
use web::page::{Frame, escape, sign_in_form, stamp, wrong};

/// How often the list of what waits is asked for anew, in seconds.
const REFRESH: u32 = 15;

fn frame(title: &str) -> Frame<'_> {
    Frame { title, wide: true, refresh: None }
}

/// Asks who the visitor is; `next` is where they go then.
pub(super) fn sign_in(status: StatusCode, next: &str, fault: &str) -> HttpResponse {
    let (fault, form) = (wrong(fault), sign_in_form("/manual/page/session", ("next", next)));
    let body = format!(
        "{fault}<p>Sign in with the API key of an investigator who may read manual steps.</p>\
         {form}<p>From a terminal: <code>writ step ls</code>, <code>writ step answer</code>.</p>"
    );
    Frame { title: "Manual steps", wide: false, refresh: None }.page(status, &body)
}

/// Says one thing.
pub(super) fn message(status: StatusCode, text: &str) -> HttpResponse {
    let body = format!("{}<p><a href=\"/manual/page\">All steps</a></p>", wrong(text));
    frame("Manual steps").page(status, &body)
}

fn navigation(visitor: &Visitor) -> String {
    let (name, csrf) = (escape(&visitor.caller.name), &visitor.csrf);
    format!(
        "<nav><a href=\"/manual/page\">Waiting</a><a href=\"/manual/page?state=answered\">Answered</a>\
         <a href=\"/manual/page?state=expired\">Expired</a><a href=\"/manual/page?state=cancelled\">Cancelled</a></nav>\
         <form method=\"post\" action=\"/manual/page/session/end\"><small>{name}</small>\
         <input type=\"hidden\" name=\"csrf\" value=\"{csrf}\"> <button>Sign out</button></form>"
    )
}

/// Lists what waits, the nearest deadline first; the browser asks for it again and again.
pub(super) fn waiting(
    visitor: &Visitor,
    steps: &[Step],
    more: bool,
    now: OffsetDateTime,
) -> HttpResponse {
    let mut body = navigation(visitor);
    if steps.is_empty() {
        body.push_str("<p role=\"status\">Nothing waits.</p>");
    } else {
        body.push_str("<table><tr><th>Step<th>Playbook<th>Asked<th>Since<th>Time left</tr>");
    }
    for step in steps {
        let step = &step.view;
        let left = step.deadline - now;
        let late = if left < Duration::minutes(10) { " class=\"late\"" } else { "" };
        let asked = step.assignee.as_deref().map_or_else(|| "anyone".into(), escape);
        let _ = write!(
            body,
            "<tr><td>{}<td>{}<td>{asked}<td>{}<td{late}>{}</tr>",
            link(step),
            escape(&step.playbook_name),
            stamp(step.created),
            span(left)
        );
    }
    if !steps.is_empty() {
        body.push_str("</table>");
    }
    if more {
        body.push_str("<p>There are more; these are the most urgent.</p>");
    }
    let title = "Manual steps that wait";
    Frame { title, wide: true, refresh: Some(REFRESH) }.page(StatusCode::OK, &body)
}

/// Lists what ended.
pub(super) fn ended(
    visitor: &Visitor,
    state: StepState,
    steps: &[Step],
    next: Option<&str>,
) -> HttpResponse {
    let mut body = navigation(visitor);
    body.push_str("<table><tr><th>Step<th>Playbook<th>Ended<th>By<th>Outcome</tr>");
    for step in steps {
        let view = &step.view;
        let outcome = view.answer.as_ref().map_or(state.name(), |answer| answer.outcome.name());
        let _ = write!(
            body,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{outcome}</tr>",
            link(view),
            escape(&view.playbook_name),
            step.ended.map(stamp).unwrap_or_default(),
            escape(view.answered_by.as_deref().unwrap_or_default())
        );
    }
    body.push_str("</table>");
    if steps.is_empty() {
        body.push_str("<p role=\"status\">There are none.</p>");
    }
    if let Some(next) = next {
        let (state, next) = (state.name(), escape(next));
        let _ = write!(
            body,
            "<p><a href=\"/manual/page?state={state}&amp;cursor={next}\">Older ones</a></p>"
        );
    }
    frame(&format!("Manual steps: {}", state.name())).page(StatusCode::OK, &body)
}

fn link(step: &StepView) -> String {
    let name = if step.name.is_empty() { &step.step_id } else { &step.name };
    let run =
        if step.run > 1 { format!(" <small>run {}</small>", step.run) } else { String::new() };
    format!("<a href=\"/manual/page/steps/{}\">{}</a>{run}", step.id, escape(name))
}

/// Shows one step.
pub(super) fn step(
    status: StatusCode,
    visitor: &Visitor,
    detail: &StepDetail,
    fault: &str,
    typed: &Values,
    now: OffsetDateTime,
) -> HttpResponse {
    let step = &detail.step;
    let waits = step.state == StepState::Pending && step.deadline > now;
    let mut body = format!("{}{}", navigation(visitor), wrong(fault));
    if !step.description.is_empty() {
        let _ = write!(body, "<p>{}</p>", lines(&step.description));
    }
    for command in &step.commands {
        body.push_str(&self::command(command));
    }
    facts(&mut body, step, waits, now);
    if waits && may_respond(visitor) {
        form(&mut body, visitor, step, typed);
    }
    history(&mut body, &detail.events);
    if may_respond(visitor) {
        let _ = write!(
            body,
            "<form method=\"post\" action=\"/manual/page/steps/{}\"><input type=\"hidden\" name=\"csrf\" value=\"{}\">\
             <label for=\"text\">Comment</label><textarea id=\"text\" name=\"text\" rows=\"2\" maxlength=\"4000\" required></textarea>\
             <button name=\"do\" value=\"comment\">Add the comment</button></form>",
            step.id, visitor.csrf
        );
    }
    let title = if step.name.is_empty() { &step.step_id } else { &step.name };
    frame(title).page(status, &body)
}

fn facts(body: &mut String, step: &StepView, waits: bool, now: OffsetDateTime) {
    let left = if waits { format!(" ({} left)", span(step.deadline - now)) } else { String::new() };
    let mut facts = vec![
        ("State", if waits { "waits for an answer".into() } else { step.state.name().to_owned() }),
        ("Deadline", format!("{}{left}", stamp(step.deadline))),
        ("Asked", step.assignee.clone().unwrap_or_else(|| "anyone who may respond".into())),
        ("Playbook", format!("{} ({})", step.playbook_name, step.playbook_id)),
        ("Step", format!("{}, run {}", step.step_id, step.run)),
        ("Execution", step.execution_id.to_string()),
    ];
    if let (Some(answer), Some(by), Some(at)) = (&step.answer, &step.answered_by, step.answered_at)
    {
        facts.push(("Answer", format!("{} by {by}, {}", answer.outcome.name(), stamp(at))));
        for (name, value) in &answer.variables {
            facts.push(("Value", format!("{name} = {value}")));
        }
    }
    body.push_str("<dl>");
    for (name, value) in facts {
        let _ = write!(body, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
    }
    body.push_str("</dl>");
}

fn command(command: &ManualCommand) -> String {
    let mut text = String::new();
    let decoded = command
        .base64
        .then(|| STANDARD.decode(command.command.trim()).ok())
        .flatten()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let shown = decoded.as_deref().unwrap_or(&command.command);
    if !command.description.is_empty() {
        let _ = write!(text, "<p>{}</p>", lines(&command.description));
    }
    if !shown.is_empty() {
        let _ = write!(text, "<pre>{}</pre>", escape(shown));
    }
    if let Some(target) = &command.target {
        let word = |name| target.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = write!(
            text,
            "<p><small>Target: {} {} {}</small></p>",
            escape(word("type")),
            escape(word("name")),
            escape(word("description"))
        );
    }
    text
}

fn form(body: &mut String, visitor: &Visitor, step: &StepView, typed: &Values) {
    let _ = write!(
        body,
        "<h2>Answer</h2><form method=\"post\" action=\"/manual/page/steps/{}\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{}\">",
        step.id, visitor.csrf
    );
    for (variable, place) in step.out_args.iter().zip(1..) {
        field(body, variable, place, typed.first(&format!("value.{}", variable.name)));
    }
    body.push_str(
        "<button name=\"do\" value=\"success\">Done</button>\
         <button name=\"do\" value=\"failure\" formnovalidate>Not done: the step fails</button></form>",
    );
    let mine = step.assignee.as_deref() == Some(visitor.caller.name.as_str());
    let (word, label) = match (&step.assignee, mine) {
        (None, _) => ("claim", "I take it"),
        (Some(_), true) => ("release", "I give it back"),
        (Some(_), false) => ("", ""),
    };
    let _ = write!(
        body,
        "<form method=\"post\" action=\"/manual/page/steps/{}\"><input type=\"hidden\" name=\"csrf\" value=\"{}\">",
        step.id, visitor.csrf
    );
    if !word.is_empty() {
        let _ = write!(body, "<button name=\"do\" value=\"{word}\">{label}</button>");
    }
    body.push_str(
        "<label for=\"assignee\">Ask somebody else</label>\
         <input id=\"assignee\" name=\"assignee\" type=\"text\" maxlength=\"200\">\
         <button name=\"do\" value=\"assign\">Ask them</button></form>",
    );
}

/// Writes one input after its type.
fn field(body: &mut String, variable: &CacaoVariable, place: u32, typed: Option<&str>) {
    let name = escape(&variable.name);
    let value = typed.unwrap_or(&variable.value);
    let shown = escape(value);
    let about = if variable.description.is_empty() {
        String::new()
    } else {
        format!(": {}", escape(&variable.description))
    };
    let kind = escape(&variable.kind);
    if variable.constant {
        let _ =
            write!(body, "<p><b>{name}</b>{about} <small>({kind}, constant)</small> {shown}</p>");
        return;
    }
    let _ = write!(
        body,
        "<label for=\"v{place}\"><b>{name}</b>{about} <small>({kind})</small></label>"
    );
    let head = format!("id=\"v{place}\" name=\"value.{name}\"");
    let _ = match VariableType::parse(&variable.kind).unwrap_or_default() {
        VariableType::Bool => {
            let chosen = parse_bool(value);
            let mark = |wanted| if chosen == Some(wanted) { " selected" } else { "" };
            write!(
                body,
                "<select {head} required><option value=\"\"></option><option value=\"true\"{}>true</option>\
                 <option value=\"false\"{}>false</option></select>",
                mark(true),
                mark(false)
            )
        }
        VariableType::Integer | VariableType::Long => {
            write!(body, "<input {head} type=\"number\" step=\"1\" value=\"{shown}\" required>")
        }
        VariableType::Float => {
            write!(body, "<input {head} type=\"number\" step=\"any\" value=\"{shown}\" required>")
        }
        VariableType::String | VariableType::Dictionary => {
            // a line feed at the beginning is the browser's to drop
            write!(body, "<textarea {head} rows=\"3\">\n{shown}</textarea>")
        }
        _ => write!(
            body,
            "<input {head} type=\"text\" value=\"{shown}\" autocomplete=\"off\" required>"
        ),
    };
}

fn history(body: &mut String, events: &[StepEvent]) {
    body.push_str("<h2>History</h2><table><tr><th>When<th>What<th>Who<th>From</tr>");
    for event in events {
        let text =
            if event.text.is_empty() { String::new() } else { format!(": {}", lines(&event.text)) };
        let _ = write!(
            body,
            "<tr><td>{}<td>{}{text}<td>{}<td>{} {}</tr>",
            stamp(event.at),
            escape(&event.what),
            escape(event.by.as_deref().unwrap_or_default()),
            escape(event.address.as_deref().unwrap_or_default()),
            escape(event.channel.as_deref().unwrap_or_default())
        );
    }
    body.push_str("</table>");
}

fn lines(text: &str) -> String {
    escape(text).replace('\n', "<br>")
}

/// Says how long something lasts, in its two largest units.
fn span(left: Duration) -> String {
    let seconds = left.whole_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        for (seconds, told) in [
            (-5, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3_660, "1 h 1 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::seconds(seconds)), told);
        }
    }

    #[test]
    fn an_input_follows_its_type_and_holds_what_is_foreign() {
        let variable = |kind: &str, constant| CacaoVariable {
            name: "__x__".into(),
            kind: kind.into(),
            value: "\"><script>".into(),
            constant,
            ..CacaoVariable::default()
        };
        for (kind, constant, has) in [
            ("bool", false, "<select"),
            ("integer", false, "type=\"number\" step=\"1\""),
            ("float", false, "step=\"any\""),
            ("ipv4-addr", false, "type=\"text\""),
            ("string", false, "<textarea"),
            ("string", true, "constant"),
        ] {
            let mut body = String::new();
            field(&mut body, &variable(kind, constant), 1, None);
            assert!(body.contains(has) && !body.contains("<script"), "{body}");
            assert_eq!(body.contains("name=\"value.__x__\""), !constant);
        }
    }
}
