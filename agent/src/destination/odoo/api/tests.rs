//! What goes over the wire, against a socket that answers what is scripted.

use std::path::Path;

use plantlink_config::{Http, Name, Pacing, Secret};
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
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
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

fn denied() -> String {
    let data = json!({"name": "odoo.exceptions.AccessDenied", "message": "Access Denied"});
    answer(json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error", "data": data}}))
}

fn api(url: &str, key: &Path) -> Api {
    Api::new(&OdooDestination {
        name: Name::new("erp").unwrap(),
        http: Http { url: url.to_owned(), tls: None, headers: Vec::new(), proxy: None },
        database: "lab18".to_owned(),
        login: "agent".to_owned(),
        api_key: Secret::File(key.to_owned()),
        pacing: Pacing::default(),
        records: Vec::new(),
    })
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
    let (url, serving) = scripted(vec![result(json!(6)), loaded(), loaded()]).await;
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
    assert_eq!(arrived[1].body, wanted);
    assert_eq!(arrived[2].body, wanted);
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
    let (url, serving) = scripted(vec![result(json!(6)), denied(), result(json!(6)), loaded]).await;
    let key = key("old");
    let mut api = api(&url, key.path());
    assert!(matches!(api.load(&one_row()).await, Err(Setback::Denied)));
    std::fs::write(key.path(), "new").unwrap();
    api.load(&one_row()).await.unwrap();
    let arrived = serving.await.unwrap();
    let keys: Vec<&Value> = arrived.iter().map(|request| &request.body["params"]["args"][2]).collect();
    assert_eq!(keys, ["old", "old", "new", "new"]);
}

#[tokio::test]
async fn a_model_is_asked_once_what_its_fields_are() {
    let fields = json!({"name": {"type": "char"}, "description": {"type": "html"}});
    let (url, serving) = scripted(vec![result(json!(6)), result(fields)]).await;
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
    assert!(matches!(api(&url, key.path()).load(&one_row()).await, Err(Setback::Denied)));
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
    let (url, serving) = scripted(vec![result(json!(6)), String::new()]).await;
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
async fn a_key_that_cannot_be_read_pauses_and_names_its_place() {
    let verdict = api("http://127.0.0.1:9", Path::new("/no/such/key")).load(&one_row()).await;
    assert!(matches!(&verdict, Err(Setback::Paused { reason }) if reason.contains("/no/such/key")), "{verdict:?}");
}
