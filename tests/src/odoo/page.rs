//! Every answer that is not JSON-RPC's: the pages of Odoo and of the proxy before it, and the probes that need no login.

use serde_json::json;

use super::fault::{Page, Version};
use crate::http::Response;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

/// The answer to a request that does not go to an API.
pub(super) fn page(target: &str, version: Version, database_up: bool) -> Response {
    let path = target.split('?').next().unwrap_or(target);
    match (path, version) {
        ("/web/health", _) => health(target, database_up),
        ("/json/version", Version::Nineteen) => {
            Response::new(200, JSON, r#"{"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"}"#)
        }
        (path, Version::Eighteen) if path.starts_with("/json/") => to_login(path),
        _ => Response::new(
            404,
            HTML,
            "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not \
             found on the server. If you entered the URL manually please check your spelling and try again.</p>\n",
        ),
    }
}

fn health(target: &str, database_up: bool) -> Response {
    let body = if target.contains("db_server_status=1") {
        json!({"status": if database_up { "pass" } else { "fail" }, "db_server_status": database_up})
    } else {
        json!({"status": "pass"})
    };
    let status = if body["status"] == "pass" { 200 } else { 500 };
    Response::new(status, "application/json", body.to_string())
}

/// The same for every request.
pub(super) fn of(page: Page, target: &str) -> Response {
    match page {
        Page::Login => to_login(target),
        Page::Maintenance => Response::new(200, HTML, "<!doctype html>\n<title>Back soon</title>\n"),
    }
}

fn to_login(path: &str) -> Response {
    let to = format!("/web/login?redirect={}%3F", path.replace('/', "%2F"));
    let body = format!(
        "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n<p>You should be redirected \
         automatically to the target URL: <a href=\"{to}\">{to}</a>. If not, click the link.\n"
    );
    Response { headers: vec![("Location", to)], ..Response::new(303, HTML, body) }
}

/// A JSON-RPC answer.
pub(super) fn rpc(body: &serde_json::Value) -> Response {
    Response::new(200, JSON, body.to_string())
}

/// A result of JSON-2.
pub(super) fn json2(result: &serde_json::Value) -> Response {
    Response::new(200, JSON, result.to_string())
}

/// An exception as JSON-2 answers it.
pub(super) fn json2_error(status: u16, name: &str, message: &str) -> Response {
    Response::new(status, JSON, super::json2::exception(status, name, message).to_string())
}

/// The content type is not that of JSON-2.
pub(super) fn not_json2() -> Response {
    Response::new(
        415,
        HTML,
        "<!doctype html>\n<html lang=en>\n<title>415 Unsupported Media Type</title>\n<h1>Unsupported Media Type</h1>\n<p>Request \
         inferred type is compatible with [&#39;http&#39;] but &#39;/json/2/&lt;__model__&gt;/&lt;__method__&gt;&#39; is \
         type=&#39;json2&#39;.<br><br>Please verify the Content-Type request header and try again.</p>\n",
    )
}

/// JSON-2 finds no database that it could serve the request with: none of this name, or PostgreSQL is down.
pub(super) fn no_database() -> Response {
    Response::new(
        404,
        HTML,
        "<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>No database is selected and the requested URL \
         was not found in the server-wide controllers.</p>\n<p>Please verify the hostname, <a href=/web/login>login</a> and try \
         again.</p>\n\n<!-- Alternatively, use the X-Odoo-Database header. -->\n",
    )
}

/// The body is not the JSON that its address demands.
pub(super) fn broken_json() -> Response {
    Response::new(400, HTML, "Invalid JSON data")
}

/// The content type is not JSON's.
pub(super) fn wrong_content_type() -> Response {
    Response::new(
        400,
        HTML,
        "<!doctype html>\n<html lang=en>\n<title>400 Bad Request</title>\n<h1>Bad Request</h1>\n<p>Function declared as capable \
         of handling request of type 'json' but called with a request of type 'http'</p>\n",
    )
}

/// nginx's own page for a request that did not come back from Odoo.
pub(super) fn proxy(status: u16, words: &str) -> Response {
    let body = format!(
        "<html>\r\n<head><title>{status} {words}</title></head>\r\n<body>\r\n<center><h1>{status} {words}</h1></center>\r\n\
         <hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
    );
    Response::new(status, "text/html", body)
}
