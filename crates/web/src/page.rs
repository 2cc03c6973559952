//! Pages for people: without script, without anything from elsewhere, everything foreign escaped; forms that no other
//! site can send.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::LazyLock;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::Values;

/// Says that [`crate::Entrance`] did not take a form.
pub const FORGED: &str = "the form is not one of this page, or is too old; open the page again";

const STYLE: &str = "body{font:1rem/1.5 sans-serif;max-width:38rem;margin:2rem auto;padding:0 1rem}\
label{display:block;margin:.8rem 0 .2rem}input[type=text],input[type=password],input[type=number],select,textarea{\
width:100%;padding:.4rem;box-sizing:border-box;font:inherit}button{font:inherit;padding:.5rem 1.2rem;margin:1rem 1rem 0 0}\
dt{font-weight:bold}dd{margin:0 0 .4rem;overflow-wrap:anywhere}.wrong{color:#a00}code{font-size:1.2em}\
body.wide{max-width:62rem}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;\
padding:.3rem .6rem .3rem 0;border-bottom:1px solid #ccc;overflow-wrap:anywhere}pre{white-space:pre-wrap;\
overflow-wrap:anywhere;background:#f3f3f3;padding:.6rem}small{color:#555}nav a{margin-right:1rem}.late{color:#a00;font-weight:bold}\
@media(prefers-color-scheme:dark){body{background:#181818;color:#eee}pre{background:#262626}a{color:#8bf}\
.wrong,.late{color:#f88}small{color:#aaa}th,td{border-color:#444}input,select,textarea,button{background:#262626;color:#eee;border:1px solid #777}}";

/// Allows the style above, forms to this page, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// Escapes a foreign text for HTML, as text and as the value of a quoted attribute.
pub fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
        out
    })
}

/// Is how a page is framed.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// What it is, for its heading and the browser's tab.
    pub title: &'a str,
    /// Whether it holds tables.
    pub wide: bool,
    /// After how many seconds the browser asks for it again.
    pub refresh: Option<u32>,
}

impl Frame<'_> {
    /// Answers with a page; `body` is HTML.
    pub fn page(&self, status: StatusCode, body: &str) -> HttpResponse {
        let title = escape(self.title);
        let class = if self.wide { " class=\"wide\"" } else { "" };
        let mut head = String::new();
        if let Some(seconds) = self.refresh {
            let _ = write!(head, "<meta http-equiv=\"refresh\" content=\"{seconds}\">");
        }
        dress(HttpResponse::build(status)).content_type("text/html; charset=utf-8").body(format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Writ: {title}</title>\
             <meta name=\"viewport\" content=\"width=device-width\">{head}<style>{STYLE}</style></head>\
             <body{class}><h1>{title}</h1>{body}</body></html>\n"
        ))
    }
}

/// Sets what keeps a page by itself. The form's origin is told to the page itself only.
pub fn dress(mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

/// Sends the browser to another page.
pub fn go(to: &str, cookie: Option<String>) -> HttpResponse {
    let mut response = dress(HttpResponse::SeeOther());
    response.insert_header((header::LOCATION, to));
    if let Some(cookie) = cookie {
        response.insert_header((header::SET_COOKIE, cookie));
    }
    response.finish()
}

/// Says on a page what was wrong; nothing when nothing was.
pub fn wrong(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("<p class=\"wrong\" role=\"alert\">{}</p>", escape(text))
}

/// Writes a time, to the second.
pub fn stamp(at: OffsetDateTime) -> String {
    let format =
        time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    at.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}

/// Writes the form that sends an API key to `action`, with the name and the value of what to go on with.
pub fn sign_in_form(action: &str, (name, value): (&str, &str)) -> String {
    let value = escape(value);
    format!(
        "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"{name}\" value=\"{value}\">\
         <label for=\"key\">API key</label>\
         <input id=\"key\" name=\"key\" type=\"password\" autocomplete=\"off\" required>\
         <button>Sign in</button></form>"
    )
}

/// Is what the form to sign out sends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read by name")]
pub struct SignOutForm {
    /// The word of the session.
    csrf: String,
}

/// Is the cookie of a page's session.
#[derive(Debug, Clone, Copy)]
pub struct Cookie {
    /// Its name.
    pub name: &'static str,
    /// The path that it is for.
    pub path: &'static str,
}

impl Cookie {
    /// Gives the secret that the visitor's browser sent.
    pub fn of<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        let lines = request.headers().get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
        let mut pairs =
            lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name).map(|(_, secret)| secret)
    }

    /// Gives a secret to the browser; `origin` is the public one.
    pub fn set(&self, secret: &str, seconds: u64, origin: &crate::Origin) -> String {
        let Self { name, path } = self;
        let secure = if origin.link("").starts_with("https:") { "; Secure" } else { "" };
        format!(
            "{name}={secret}; Max-Age={seconds}; Path={path}; HttpOnly; SameSite=Strict{secure}"
        )
    }

    /// Takes it from the browser.
    pub fn clear(&self) -> String {
        let Self { name, path } = self;
        format!("{name}=; Max-Age=0; Path={path}; HttpOnly; SameSite=Strict")
    }
}

/// Makes the word that forms carry as `csrf`; it follows from the session's secret and says nothing about it.
pub fn form_word(secret: &str) -> String {
    hex::encode(Sha256::digest(format!("form of {secret}")))
}

/// Tells whether a form is one of the session with this secret.
pub fn is_own_form(request: &HttpRequest, form: &Values, secret: &str) -> bool {
    // hashed, so that comparing takes as long wherever they differ
    let hash = |text: &str| Sha256::digest(text);
    !is_from_elsewhere(request)
        && form.first("csrf").is_some_and(|word| hash(word) == hash(&form_word(secret)))
}

/// Tells whether a browser says that another site sent the form.
pub fn is_from_elsewhere(request: &HttpRequest) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let site =
        text("sec-fetch-site").is_some_and(|site| matches!(site, "cross-site" | "same-site"));
    let host = request.connection_info().host().to_owned();
    let origin = text("origin").is_some_and(|origin| {
        origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(&host))
    });
    site || origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_gets_out_of_its_place() {
        assert_eq!(escape("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
        assert_ne!(form_word("a"), form_word("b"));
    }
}
