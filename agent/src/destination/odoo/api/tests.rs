//! What goes over the wire, against a socket that answers what is scripted.

use std::path::Path;

use plantlink_config::{Http, Name, OdooApi, Pacing, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::http::ANSWER_MAX;

/// A request as it arrived.
struct Arrived {
    head: String,
    body: Value,
}

/// Answers one request a connection, with these bytes, and returns what arrived.
async fn scripted(answers: Vec<String>) -> (String, JoinHandle<Vec<Arrived>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut arrived = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            arrived.push(receive(&mut stream).await);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        arrived
    });
    (url, serving)
}

async fn receive(stream: &mut TcpStream) -> Arrived {
    let mut bytes = Vec::new();
    loop {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the request is whole");
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if head.starts_with("GET") {
            return Arrived { head: head.to_ascii_lowercase(), body: Value::Null };
        }
        if let Ok(body) = serde_json::from_str(body) {
            return Arrived { head: head.to_ascii_lowercase(), body };
        }
    }
}

fn answer(body: Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn result(result: Value) -> String {
    answer(json!({"jsonrpc": "2.0", "id": 1, "result": result}))
}

/// The keys of a user who has none that ends.
fn no_keys() -> String {
    result(json!([]))
}

/// An answer of JSON-2, whose body is the result.
fn json2(status: u16, body: Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// What a server of this version answers to everybody who asks.
fn version(version: u32) -> String {
    json2(200, json!({"version_info": [version, 0, 0, "final", 0, ""], "version": format!("{version}.0")}))
}

/// Everything up to being in, over JSON-2.
fn welcome(login: &str) -> Vec<String> {
    let context = json!({"lang": "en_US", "tz": "UTC", "uid": 5});
    let user = json!([{"id": 5, "login": login}]);
    vec![version(19), json2(200, context), json2(200, user), json2(200, json!([]))]
}

fn denied() -> String {
    let data = json!({"name": "odoo.exceptions.AccessDenied", "message": "Access Denied"});
    answer(json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error", "data": data}}))
}

fn api(url: &str, key: &Path) -> Api {
    api_of(url, key, Some(OdooApi::JsonRpc))
}

fn api_of(url: &str, key: &Path, api: Option<OdooApi>) -> Api {
    let config = OdooDestination {
        name: Name::new("erp").unwrap(),
        http: Http { url: url.to_owned(), tls: None, headers: Vec::new(), proxy: None },
        database: "lab18".to_owned(),
        login: "agent".to_owned(),
        api_key: Secret::File(key.to_owned()),
        api,
        pacing: Pacing::default(),
        keep_confirmed: Duration::from_hours(720),
        reconcile: None,
        records: Vec::new(),
    };
    Api::new(&config, "gw-1")
}

fn key(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn one_row() -> Load<'static> {
    let rows = vec![vec!["plantlink_mill.x".to_owned(), "E-STOP".to_owned()]];
    Load { model: "maintenance.request", columns: vec!["id", "name"], rows, manner: Manner::CreateOnce }
}

#[tokio::test]
async fn one_login_serves_many_calls_in_the_form_that_odoo_was_recorded_with() {
    let loaded = || result(json!({"ids": [1], "messages": [], "nextrow": 0}));
    let (url, serving) = scripted(vec![result(json!(6)), no_keys(), loaded(), loaded()]).await;
    let key = key("REDACTED\n");
    let mut api = api(&url, key.path());
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/odoo-exchanges");
    let recorded = |name: &str| -> Value {
        let text = std::fs::read(recorded.join(name)).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()["request"]["body"].clone()
    };
    let create = recorded("jsonrpc-load-create.json");
    let args = &create["params"]["args"];
    let columns: Vec<String> = serde_json::from_value(args[5][0].clone()).unwrap();
    let rows: Vec<Vec<String>> = serde_json::from_value(args[5][1].clone()).unwrap();
    let load = Load {
        model: "maintenance.request",
        columns: columns.iter().map(String::as_str).collect(),
        rows: vec![rows[0].clone()],
        manner: Manner::CreateOnce,
    };
    api.load(&load).await.unwrap();
    api.load(&load).await.unwrap();

    let arrived = serving.await.unwrap();
    assert_eq!(arrived[0].body, recorded("jsonrpc-authenticate-apikey.json"));
    let mut wanted = create.clone();
    wanted["params"]["args"][5][1].as_array_mut().unwrap().truncate(1);
    assert_eq!(arrived[2].body, wanted);
    assert_eq!(arrived[3].body, wanted);
    for request in arrived {
        assert!(request.head.starts_with("post /jsonrpc http/1.1"), "{}", request.head);
        assert!(request.head.contains("content-type: application/json"), "{}", request.head);
        assert!(request.head.contains("content-length: "), "{}", request.head);
        for header in ["transfer-encoding", "content-encoding", "accept-encoding", "cookie"] {
            assert!(!request.head.contains(header), "{}", request.head);
        }
    }
}

#[tokio::test]
async fn a_renewed_key_is_read_after_the_old_one_was_refused() {
    let loaded = result(json!({"ids": [1], "messages": [], "nextrow": 0}));
    let answers = vec![result(json!(6)), no_keys(), denied(), result(json!(6)), no_keys(), loaded];
    let (url, serving) = scripted(answers).await;
    let key = key("old");
    let mut api = api(&url, key.path());
    assert!(matches!(api.load(&one_row()).await, Err(Setback::Denied(Denial::LoginOrKey))));
    std::fs::write(key.path(), "new").unwrap();
    api.load(&one_row()).await.unwrap();
    let arrived = serving.await.unwrap();
    let keys: Vec<&Value> = arrived.iter().map(|request| &request.body["params"]["args"][2]).collect();
    assert_eq!(keys, ["old", "old", "old", "new", "new", "new"]);
}

#[tokio::test]
async fn a_model_is_asked_once_what_its_fields_are() {
    let fields = json!({"name": {"type": "char"}, "description": {"type": "html"}});
    let (url, serving) = scripted(vec![result(json!(6)), no_keys(), result(fields)]).await;
    let key = key("REDACTED");
    let mut api = api(&url, key.path());
    for _ in 0..2 {
        let model = api.model("maintenance.request").await.unwrap();
        assert!(model.is_markup("description") && !model.is_markup("name"));
    }
    serving.await.unwrap();
}

#[tokio::test]
async fn a_login_that_odoo_does_not_know_is_denied() {
    let (url, serving) = scripted(vec![result(json!(false))]).await;
    let key = key("REDACTED");
    assert!(matches!(api(&url, key.path()).load(&one_row()).await, Err(Setback::Denied(Denial::LoginOrKey))));
    serving.await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = "HTTP/1.1 303 SEE OTHER\r\nLocation: /web/login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (url, serving) = scripted(vec![redirect.to_owned()]).await;
    let key = key("REDACTED");
    let verdict = api(&url, key.path()).load(&one_row()).await;
    assert!(
        matches!(&verdict, Err(Setback::Unreachable(cause)) if cause.to_string().contains("/web/login")),
        "{verdict:?}"
    );
    assert_eq!(serving.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_close_without_an_answer_is_in_doubt_and_a_refused_connection_is_not() {
    let (url, serving) = scripted(vec![result(json!(6)), no_keys(), String::new()]).await;
    let key = key("REDACTED");
    let mut api = api(&url, key.path());
    let verdict = api.load(&one_row()).await;
    assert!(matches!(verdict, Err(Setback::Unanswered(_))), "{verdict:?}");
    serving.await.unwrap();
    let verdict = api.load(&one_row()).await;
    assert!(matches!(verdict, Err(Setback::Unreachable(_))), "{verdict:?}");
}

#[tokio::test]
async fn an_answer_without_end_is_left_unread() {
    let endless = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", " ".repeat(ANSWER_MAX + 1));
    let (url, serving) = scripted(vec![endless]).await;
    let key = key("REDACTED");
    let verdict = api(&url, key.path()).load(&one_row()).await;
    assert!(
        matches!(&verdict, Err(Setback::Unreachable(cause)) if cause.to_string().contains("longer")),
        "{verdict:?}"
    );
    serving.abort();
}

#[tokio::test]
async fn a_key_that_cannot_be_read_keeps_us_out_and_names_its_place() {
    let verdict = api("http://127.0.0.1:9", Path::new("/no/such/key")).load(&one_row()).await;
    assert!(
        matches!(&verdict, Err(Setback::Denied(Denial::KeyUnread(error))) if error.to_string().contains("/no/such/key")),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_key_that_is_replaced_is_used_for_the_next_call_and_one_that_is_gone_meanwhile_is_not_missed() {
    let loaded = || result(json!({"ids": [1], "messages": [], "nextrow": 0}));
    let answers = vec![result(json!(6)), no_keys(), loaded(), loaded(), result(json!(6)), no_keys(), loaded()];
    let (url, serving) = scripted(answers).await;
    let key = key("old");
    let mut api = api(&url, key.path());
    api.load(&one_row()).await.unwrap();
    std::fs::remove_file(key.path()).unwrap();
    api.load(&one_row()).await.unwrap();
    std::fs::write(key.path(), "new").unwrap();
    api.load(&one_row()).await.unwrap();
    let arrived = serving.await.unwrap();
    let keys: Vec<&Value> = arrived.iter().map(|request| &request.body["params"]["args"][2]).collect();
    assert_eq!(keys, ["old", "old", "old", "old", "new", "new", "new"]);
}

#[tokio::test]
async fn a_server_of_version_19_is_spoken_to_in_json_2_as_it_was_recorded() {
    let loaded = json2(200, json!({"ids": [1, 2], "messages": [], "nextrow": 0}));
    let (url, serving) = scripted(welcome("agent").into_iter().chain([loaded]).collect()).await;
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/odoo-exchanges/json2-load-create.json");
    let recorded: Value = serde_json::from_slice(&std::fs::read(recorded).unwrap()).unwrap();
    let body = &recorded["request"]["body"];
    let columns: Vec<String> = serde_json::from_value(body["fields"].clone()).unwrap();
    let rows: Vec<Vec<String>> = serde_json::from_value(body["data"].clone()).unwrap();
    let key = key("REDACTED\n");
    let mut api = api_of(&url, key.path(), None);
    let columns = columns.iter().map(String::as_str).collect();
    let load = Load { model: "maintenance.request", manner: Manner::CreateOnce, columns, rows };
    api.load(&load).await.unwrap();

    let arrived = serving.await.unwrap();
    assert!(arrived[0].head.starts_with("get /json/version http/1.1"), "{}", arrived[0].head);
    let load = &arrived[4];
    assert!(load.head.starts_with("post /json/2/maintenance.request/load http/1.1"), "{}", load.head);
    assert_eq!(load.body, *body);
    for field in ["authorization: bearer redacted", "x-odoo-database: lab18", "content-type: application/json"] {
        assert!(load.head.contains(field), "{}", load.head);
    }
    assert_eq!(arrived[2].body, json!({"ids": [5], "fields": ["login"]}));
}

#[tokio::test]
async fn a_server_that_tells_no_version_or_an_old_one_is_spoken_to_in_json_rpc() {
    let redirect = "HTTP/1.1 303 SEE OTHER\r\nLocation: /web/login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for answer in [redirect.to_owned(), json2(404, json!("<!doctype html>")), version(18)] {
        let (url, serving) = scripted(vec![answer, result(json!(6)), no_keys()]).await;
        let key = key("REDACTED");
        api_of(&url, key.path(), None).enter().await.unwrap();
        assert!(serving.await.unwrap()[1].head.starts_with("post /jsonrpc http/1.1"));
    }
}

#[tokio::test]
async fn a_server_that_cannot_answer_now_is_not_taken_for_an_old_one() {
    for status in [502, 504] {
        let (url, serving) = scripted(vec![json2(status, json!("down"))]).await;
        let key = key("REDACTED");
        let verdict = api_of(&url, key.path(), None).enter().await;
        assert!(matches!(verdict, Err(Setback::Unanswered(_))), "{verdict:?}");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn a_key_of_another_user_is_told_from_a_wrong_one() {
    let (url, serving) = scripted(welcome("admin").into_iter().take(3).collect()).await;
    let key = key("REDACTED");
    let verdict = api_of(&url, key.path(), None).enter().await;
    assert!(matches!(&verdict, Err(Setback::Denied(Denial::Login { key_of })) if key_of == "admin"), "{verdict:?}");
    serving.await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_from_one_that_is_down() {
    let nothing = "<!-- Alternatively, use the X-Odoo-Database header. -->";
    let nothing = format!("HTTP/1.1 404 X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{nothing}", nothing.len());
    for (health, is_gone) in
        [(json2(200, json!({"status": "pass"})), true), (json2(500, json!({"status": "fail"})), false)]
    {
        let (url, serving) = scripted(vec![version(19), nothing.clone(), health]).await;
        let key = key("REDACTED");
        let verdict = api_of(&url, key.path(), None).enter().await;
        assert_eq!(matches!(verdict, Err(Setback::Denied(Denial::Database))), is_gone, "{verdict:?}");
        assert_eq!(matches!(verdict, Err(Setback::Unreachable(_))), !is_gone, "{verdict:?}");
        let arrived = serving.await.unwrap();
        assert!(arrived[2].head.starts_with("get /web/health?db_server_status=1 "), "{}", arrived[2].head);
    }
}
