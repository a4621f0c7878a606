//! An edge node: payloads made and read by pysparkplug, whose code shares nothing with ours.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::client::Message;

/// How long the codec may take; it loads its libraries first.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that counts its messages, as the protocol asks.
pub struct EdgeNode {
    group: String,
    node: String,
    seq: u8,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl EdgeNode {
    /// A node that has published nothing yet.
    ///
    /// # Panics
    /// When the codec does not start.
    pub fn new(group: &str, node: &str) -> EdgeNode {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(root.join("venv/bin/python"))
            .arg(root.join("src/sparkplug_codec.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("tests/venv has Python and pysparkplug (tests/run makes it)");
        let commands = process.stdin.take().expect("a pipe to the codec");
        let answers = BufReader::new(process.stdout.take().expect("a pipe from the codec")).lines();
        EdgeNode { group: group.to_owned(), node: node.to_owned(), seq: 0, commands, answers, _process: process }
    }

    /// The node's birth certificate, which begins its sequence anew. `metrics` as `sparkplug_codec.py` has them.
    ///
    /// # Panics
    /// When the codec cannot encode them.
    pub async fn born(&mut self, at_ms: i64, metrics: Value) -> Message {
        self.seq = 0;
        self.message("NBIRTH", None, at_ms, metrics).await
    }

    /// What a device publishes: DBIRTH, DDATA or DDEATH.
    ///
    /// # Panics
    /// When the codec cannot encode it.
    pub async fn device(&mut self, verb: &str, device: &str, at_ms: i64, metrics: Value) -> Message {
        self.miss_one();
        self.message(verb, Some(device), at_ms, metrics).await
    }

    /// The will of a connection that has begun with this number.
    ///
    /// # Panics
    /// When the codec cannot encode it.
    pub async fn will(&mut self, birth_death_sequence: u64) -> Message {
        let metric = json!({"name": "bdSeq", "type": "UINT64", "value": birth_death_sequence});
        self.message("NDEATH", None, 0, json!([metric])).await
    }

    /// Counts a message that nobody gets.
    pub fn miss_one(&mut self) {
        self.seq = self.seq.wrapping_add(1);
    }

    /// The metrics of a command for a node, by name.
    ///
    /// # Panics
    /// When the codec cannot read it.
    pub async fn command(&mut self, message: &Message) -> Value {
        let payload: String = message.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        self.ask(&json!({"decode": "NCMD", "payload": payload})).await
    }

    async fn message(&mut self, verb: &str, device: Option<&str>, at_ms: i64, metrics: Value) -> Message {
        let answer = self.ask(&json!({"encode": verb, "at": at_ms, "seq": self.seq, "metrics": metrics})).await;
        let hex = answer.as_str().expect("a payload in hex");
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits"));
        let device = device.map(|device| format!("/{device}")).unwrap_or_default();
        let topic = format!("spBv1.0/{}/{verb}/{}{device}", self.group, self.node);
        Message::new(topic, bytes.collect::<Vec<u8>>())
    }

    async fn ask(&mut self, command: &Value) -> Value {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.expect("the codec takes commands");
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line())
            .await
            .expect("the codec answers")
            .expect("the codec can be read")
            .expect("the codec lives");
        serde_json::from_str(&line).expect("the codec speaks JSON")
    }
}
