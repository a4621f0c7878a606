//! A Modbus line with several units: pymodbus as a child process, which shares nothing with the agent.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::ports;
use crate::serial_cable::SerialCable;

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The four tables of a Modbus device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Bits that can be written.
    Coil,
    /// Bits that can only be read.
    Discrete,
    /// Registers that can be written.
    Holding,
    /// Registers that can only be read.
    Input,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Table::Coil => "coil",
            Table::Discrete => "discrete",
            Table::Holding => "holding",
            Table::Input => "input",
        }
    }
}

/// The server; ended when dropped. Addresses are wire addresses: 0 to 40,999 of registers,
/// 0 to 1,023 of bits.
pub struct ModbusLine {
    address: String,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl ModbusLine {
    /// A Modbus TCP line with these units, all of their values zero.
    ///
    /// # Panics
    /// When the server does not start.
    pub async fn start(units: &[u8]) -> ModbusLine {
        ModbusLine::serve(format!("tcp://127.0.0.1:{}", ports::free()), units).await
    }

    /// The same behind a converter that passes the frames of a serial line on.
    ///
    /// # Panics
    /// When the server does not start.
    pub async fn start_rtu_over_tcp(units: &[u8]) -> ModbusLine {
        ModbusLine::serve(format!("rtu+tcp://127.0.0.1:{}", ports::free()), units).await
    }

    /// The same at the far end of a serial cable.
    ///
    /// # Panics
    /// When the server does not start.
    pub async fn start_serial(cable: &SerialCable, units: &[u8]) -> ModbusLine {
        ModbusLine::serve(format!("rtu://{}", cable.far_end().display()), units).await
    }

    async fn serve(address: String, units: &[u8]) -> ModbusLine {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(root.join("venv/bin/python"))
            .arg(root.join("src/modbus_server.py"))
            .arg(&address)
            .args(units.iter().map(u8::to_string))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("tests/venv has Python, pymodbus and pyserial (tests/run makes it)");
        let commands = process.stdin.take().expect("a pipe to the server");
        let answers = process.stdout.take().expect("a pipe from the server");
        let mut line = ModbusLine { address, commands, answers: BufReader::new(answers).lines(), _process: process };
        line.answer().await;
        line
    }

    /// Its port.
    ///
    /// # Panics
    /// When it is at a serial one.
    pub fn port(&self) -> u16 {
        let port = self.address.rsplit(':').next().and_then(|port| port.parse().ok());
        port.expect("a line over TCP")
    }

    /// Sets registers; all of them at one moment.
    ///
    /// # Panics
    /// When the server cannot.
    pub async fn set(&mut self, unit: u8, table: Table, address: u16, values: &[u16]) {
        let values = match table {
            Table::Coil | Table::Discrete => values.iter().map(|bit| json!(*bit != 0)).collect(),
            Table::Holding | Table::Input => values.iter().map(|word| json!(word)).collect(),
        };
        let values = Value::Array(values);
        self.command(&json!({"set": {"unit": unit, "table": table.name(), "address": address, "values": values}}))
            .await;
    }

    /// Sets a 32-bit value in two registers, the high word first.
    ///
    /// # Panics
    /// When the server cannot.
    pub async fn set_u32(&mut self, unit: u8, table: Table, address: u16, value: u32) {
        let [a, b, c, d] = value.to_be_bytes();
        let words = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        self.set(unit, table, address, &words).await;
    }

    /// Makes a unit answer nothing, or answer again.
    ///
    /// # Panics
    /// When the server cannot.
    pub async fn silence(&mut self, unit: u8, silent: bool) {
        self.command(&json!({"silence": {"unit": unit, "silent": silent}})).await;
    }

    /// From now on a request that touches one of these addresses is answered with exception 2.
    ///
    /// # Panics
    /// When the server cannot.
    pub async fn refuse(&mut self, unit: u8, table: Table, first: u16, last: u16) {
        self.command(&json!({"refuse": {"unit": unit, "table": table.name(), "first": first, "last": last}})).await;
    }

    /// How many requests came in, by function code.
    ///
    /// # Panics
    /// When the server cannot tell.
    pub async fn requests(&mut self) -> BTreeMap<u8, u64> {
        let answer = self.command(&json!({"requests": {}})).await;
        let counts = answer.as_object().expect("counts by function code");
        counts
            .iter()
            .map(|(code, count)| (code.parse().expect("a function code"), count.as_u64().expect("a count")))
            .collect()
    }

    async fn command(&mut self, command: &Value) -> Value {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.expect("the Modbus server takes commands");
        self.answer().await
    }

    async fn answer(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line())
            .await
            .expect("the Modbus server answers")
            .expect("the Modbus server can be read")
            .expect("the Modbus server lives");
        serde_json::from_str(&line).expect("the Modbus server speaks JSON")
    }
}
