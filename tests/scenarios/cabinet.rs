//! At the cabinet: what the commands for a person with a laptop say of a real Modbus server, beside a running agent and
//! without one.

use std::process::Stdio;

use plantlink_tests::agent::{Agent, program};
use plantlink_tests::modbus::{ModbusLine, Table};
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::{signals, wait};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::plant::{LATER, Plant};

/// A machine as unit 3: a float in 40013, its words swapped, and a signed number in 30005.
async fn machine() -> ModbusLine {
    let mut line = ModbusLine::start(&[3, 5, 6]).await;
    line.set(3, Table::Holding, 12, &[0x2065, 0x47F1]).await;
    line.set(3, Table::Input, 4, &[0xFFF6]).await;
    line
}

fn config(plant: &Plant, line: &ModbusLine) -> String {
    let port = line.port();
    plant.config(
        "",
        "",
        &format!(
            r#"
[[source.modbus]]
name = "line-3"
address = "tcp://127.0.0.1:{port}"
[[source.modbus.device]]
name = "press-12"
unit = 3
every = "100ms"
tag = [
  {{ name = "pressure", at = "40013", type = "f32", word_order = "CDAB", unit_of_measure = "bar" }},
  {{ name = "oil", at = "input:4", type = "i16", scale = 0.1 }},
]
event = [{{ type = "measurement.sampled", sample = "*" }}]
"#
        ),
    )
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_and_tags_are_read_beside_a_running_agent_and_without_one() {
    let mut line = machine().await;
    line.silence(6, true).await;
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, &line));
    let url = format!("tcp://127.0.0.1:{}", line.port());
    wait::until("the agent", LATER, async || agent.status()).await;
    for is_running in [true, false] {
        if !is_running {
            assert!(agent.terminate().await.success(), "{}", agent.log_end());
        }
        let read = agent.run(&["read", "press-12", "--json"]);
        let read = lines(&read.stdout);
        assert_eq!(read[0]["value"], json!(123_456.79), "running: {is_running}");
        assert_eq!(
            (&read[0]["tag"], &read[0]["at"], &read[0]["wire"], &read[0]["raw"], &read[0]["quality"]),
            (&json!("pressure"), &json!("40013"), &json!(12), &json!([0x2065, 0x47F1]), &json!("good")),
        );
        assert_eq!((&read[1]["tag"], &read[1]["value"]), (&json!("oil"), &json!(-1.0)));

        let read = agent.run(&["read", &url, "--unit", "3", "holding:12", "--count", "2", "--json"]);
        let values: Vec<_> = lines(&read.stdout).iter().map(|read| read["value"].clone()).collect();
        assert_eq!(values, [0x2065, 0x47F1], "running: {is_running}");

        for place in ["40013", "pressure"] {
            let probed = agent.run(&["probe", "press-12", place, "--expect", "123456,8", "--json"]);
            let best = &lines(&probed.stdout)[0];
            assert_eq!(best["row"], "NAME,holding:12,f32,,CDAB,1", "{place}, running: {is_running}");
        }

        let scanned = agent.run(&["scan", &url, "--units", "3-6", "--timeout-ms", "100", "--json"]);
        if is_running {
            assert!(scanned.stderr.contains("holds tcp://"), "{}", scanned.stderr);
        } else {
            let found = lines(&scanned.stdout);
            let said = |found: &Value| (found["unit"].clone(), found["answer"].clone());
            let found: Vec<_> = found.iter().map(said).collect();
            // The server answers for the unit 4, which it does not have.
            let failure = json!("device reports a failure (exception 4)");
            let expected = [(json!(3), json!("answers")), (json!(4), failure), (json!(5), json!("answers"))];
            assert_eq!(found, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_followed_from_the_device_to_the_center() {
    let mut line = machine().await;
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, &line));
    let why = |tag: &str| lines(&agent.run(&["why", tag, "--json"]).stdout).pop();
    let delivered = async || why("press-12/pressure").filter(|why| why["last_events"][0]["stage"] == "delivered");
    let told = wait::until("the first event's delivery", LATER, delivered).await;
    assert_eq!(
        (&told["raw"], &told["type"], &told["word_order"], &told["at"], &told["value"], &told["quality"]),
        (&json!([0x2065, 0x47F1]), &json!("f32"), &json!("CDAB"), &json!("40013"), &json!(123_456.79), &json!("good")),
    );
    let event = &told["last_events"][0];
    assert_eq!((&event["flow"], &event["value"]), (&json!("all"), &json!(123_456.79)));

    plant.centre_link.set(Mode::Refuse);
    plant.centre_link.cut(Cut::Reset);
    line.set(3, Table::Input, 4, &[20]).await;
    let waiting = async || why("oil").filter(|why| why["last_events"][0]["value"] == json!(2.0));
    let told = wait::until("the event of the change", LATER, waiting).await;
    assert_eq!((&told["value"], &told["last_events"][0]["stage"]), (&json!(2.0), &json!("waiting")));
    let pressure = why("pressure").expect("an answer");
    assert_eq!(pressure["last_events"][0]["event_id"], event["event_id"], "its value did not change");

    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    line.set(3, Table::Input, 4, &[30]).await;
    let told = agent.run(&["why", "oil"]).stdout;
    for part in
        ["input:4 (30005)", "i16", "times 0.1", "001E", "value     3", "quality   good", "with 2", "in all: waits"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let unknown = agent.run(&["why", "press-12/oel"]);
    let meant = "no device has a tag `press-12/oel` (did you mean `press-12/oil`?)";
    assert!(unknown.stderr.contains(meant), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_of_two_devices_is_followed_for_the_one_that_is_named() {
    let mut line = machine().await;
    line.silence(5, true).await;
    let plant = Plant::start().await;
    let twin = r#"
[[source.modbus.device]]
name = "press-13"
unit = 5
every = "1s"
tag = [{ name = "oil", at = "input:4", type = "i16" }]
event = [{ type = "measurement.sampled", sample = "*" }]
"#;
    let agent = Agent::prepare(&format!("{}{twin}", config(&plant, &line)), &[]);
    let said = agent.run(&["why", "oil"]);
    assert!(!said.status.success() && said.stderr.contains("press-12/oil, press-13/oil"), "{said:?}");
    let told = agent.run(&["why", "press-13/oil"]).stdout;
    for part in
        ["unit 5 on line-3", "raw       -", "quality   bad: device does not answer", "events    not known: no agent"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_says_what_it_is_on_a_line_that_no_agent_holds() {
    let line = machine().await;
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, &line));
    let url = format!("tcp://127.0.0.1:{}", line.port());
    wait::until("the agent", LATER, async || agent.status()).await;
    let refused = agent.run(&["identify", &url, "--unit", "3"]);
    assert!(!refused.status.success() && refused.stderr.contains("holds tcp://"), "{refused:?}");
    assert!(agent.terminate().await.success(), "{}", agent.log_end());

    // The web address alone fills an answer.
    let web = "x".repeat(240);
    let said = agent.run(&["identify", &url, "--unit", "3"]);
    for row in ["vendor name       Müller & Söhne", "revision          V4.12", &web, "application name  line 3"] {
        assert!(said.stdout.contains(row), "{row}: {said:?}");
    }
    let said = &lines(&agent.run(&["identify", "press-12", "--json"]).stdout)[0];
    let names: Vec<_> =
        said["objects"].as_array().expect("a list").iter().filter_map(|object| object["name"].as_str()).collect();
    let known =
        ["vendor_name", "product_code", "revision", "vendor_url", "product_name", "model_name", "application_name"];
    assert_eq!((&said["unit"], names), (&json!(3), known.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_does_not_know_what_it_is_says_so_in_plain_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("tcp://{}", listener.local_addr().expect("a port"));
    let device = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = [0; 11];
        stream.read_exact(&mut request).await.expect("a request");
        assert_eq!(request[7..10], [43, 14, 2]);
        let answer = [&request[..4], &[0, 3, request[6], 43 | 0x80, 1]].concat();
        stream.write_all(&answer).await.expect("an answer");
        stream.read(&mut request).await.expect("the end")
    });
    let agent = Agent::prepare("", &[]);
    let said = agent.run(&["identify", &url, "--unit", "3"]);
    assert!(!said.status.success() && said.stderr.contains("unit 3 is there and does not know"), "{said:?}");
    assert_eq!(device.await.expect("a device"), 0, "it is asked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_in_plain_words() {
    let mut line = machine().await;
    line.refuse(3, Table::Holding, 500, 500).await;
    line.silence(5, true).await;
    let plant = Plant::start().await;
    let agent = Agent::prepare(&config(&plant, &line), &[]);
    let url = format!("tcp://127.0.0.1:{}", line.port());
    let nobody = format!("tcp://127.0.0.1:{}", plantlink_tests::ports::free());
    for (arguments, said) in [
        (&[&*url, "--unit", "3", "holding:500"][..], "device does not know the address (exception 2)"),
        (&[&*url, "--unit", "5", "holding:0", "--timeout-ms", "100"], "device does not answer"),
        (&[&*nobody, "--unit", "3", "holding:0"], "nothing listens at this port"),
        (&[&*url, "holding:0"], "--unit N says which one"),
        (&["press-13"], "no device is called `press-13` (did you mean `press-12`?)"),
        (&["press-12", "presure"], "press-12 has no tag `presure` (did you mean `pressure`?)"),
        (&["127.0.0.1", "--unit", "3", "holding:0"], "`127.0.0.1` is no Modbus line"),
        (&["press-12", "holding:70000"], "70000 is not a wire address"),
    ] {
        let printed = agent.run(&[&["read"], arguments].concat());
        assert!(!printed.status.success(), "{arguments:?}");
        assert!(format!("{}{}", printed.stdout, printed.stderr).contains(said), "{arguments:?}: {printed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_are_watched_until_somebody_has_seen_enough() {
    let mut line = machine().await;
    let url = format!("tcp://127.0.0.1:{}", line.port());
    let agent = Agent::prepare("", &[]);
    let mut watch = Command::new(program())
        .args(["read", &url, "--unit", "3", "holding:20", "--watch", "--json", "--config"])
        .arg(agent.path("plantlink.toml"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the command starts");
    let mut seen = BufReader::new(watch.stdout.take().expect("a pipe from the command")).lines();
    for value in [0, 7, 8] {
        line.set(3, Table::Holding, 20, &[value]).await;
        wait::until("the value to be seen", LATER, async || {
            let line = seen.next_line().await.ok().flatten()?;
            let read: Value = serde_json::from_str(&line).expect("a JSON line");
            (read["value"] == value).then_some(())
        })
        .await;
    }
    signals::send(watch.id().expect("it watches still"), Signal::INT);
    assert!(watch.wait().await.expect("a child").success(), "Ctrl-C is how it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_stands_in_the_register_before_or_after_is_found() {
    let line = machine().await;
    let agent = Agent::prepare("", &[]);
    let url = format!("tcp://127.0.0.1:{}", line.port());
    for register in ["40012", "40014", "holding:13"] {
        let probed = agent.run(&["probe", &url, "--unit", "3", register, "--expect", "123456,8", "--json"]);
        let best = &lines(&probed.stdout)[0];
        assert_eq!((&best["row"], &best["fits"]), (&json!("NAME,holding:12,f32,,CDAB,1"), &json!(true)), "{register}");
    }
    let told = agent.run(&["probe", &url, "--unit", "3", "40014", "--expect", "123456,8"]).stdout;
    assert!(told.contains("holding:12") && told.contains(" 40013"), "both spellings of the neighbor: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listing_has_the_address_on_the_wire_and_the_number_of_the_devices_own_manual() {
    let line = machine().await;
    let plant = Plant::start().await;
    let agent = Agent::prepare("", &[]);
    for (numbering, number) in [("modicon", "40013"), ("one-based", "13"), ("zero-based", "12")] {
        let config = config(&plant, &line).replace("at = \"40013\"", &format!("at = \"{number}\""));
        agent.reconfigure(&config.replace("unit = 3", &format!("unit = 3\nnumbering = \"{numbering}\"")));
        let listings: [&[&str]; 4] = [
            &["plan", "press-12"],
            &["read", "press-12", "pressure"],
            &["why", "pressure"],
            &["probe", "press-12", number, "--expect", "123456,8"],
        ];
        for listing in listings {
            let shown = agent.run(listing).stdout;
            let words = || shown.split(|character: char| character.is_whitespace() || "():".contains(character));
            assert!(shown.contains("holding:12") && words().any(|word| word == number), "{listing:?}: {shown}");
            let object = lines(&agent.run(&[listing, &["--json"]].concat()).stdout).swap_remove(0);
            let of_plan = |object: &Value| object["requests"].as_array().and_then(|all| all.last().cloned());
            let object = of_plan(&object).unwrap_or(object);
            assert_eq!((&object["at"], &object["wire"]), (&json!(number), &json!(12)), "{listing:?}");
        }
    }
}

#[test]
fn a_first_sheet_is_written_beside_a_configuration_that_is_there() {
    let agent = Agent::prepare("# mine", &[]);
    let configuration = || std::fs::read_to_string(agent.path("plantlink.toml")).expect("it is there");
    let before = configuration();
    let written = agent.run(&["init", "--sheet"]);
    assert!(written.status.success(), "{written:?}");
    let sheet = std::fs::read_to_string(agent.path("tags/press-1.csv")).expect("the sheet was written");
    assert!(sheet.starts_with("name,at,type"), "{sheet}");
    assert_eq!(configuration(), before);

    let again = agent.run(&["init", "--sheet"]);
    assert!(!again.status.success() && again.stderr.contains("is there already"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_configuration_is_right_once_its_two_addresses_are_filled_in() {
    let agent = Agent::prepare("", &[]);
    let path = agent.path("plantlink.toml");
    std::fs::remove_file(&path).expect("no configuration yet");
    assert!(agent.run(&["init"]).status.success());
    let again = agent.run(&["init"]);
    assert!(!again.status.success() && again.stderr.contains("is there already"), "{again:?}");

    assert!(!agent.run(&["check"]).status.success(), "the addresses are missing");
    let text = std::fs::read_to_string(&path).expect("the configuration was written");
    let text = text.replace(r#"address = """#, r#"address = "tcp://127.0.0.1:502""#);
    agent.reconfigure(&text.replace(r#"url = """#, r#"url = "mqtt://127.0.0.1""#));
    let checked = agent.run(&["check"]);
    assert!(checked.status.success() && checked.stdout.contains("no problems"), "{checked:?}");
}
