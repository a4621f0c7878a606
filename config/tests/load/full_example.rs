//! A file with every key that there is: it is accepted, it becomes what it says, and the schema knows nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use plantlink_config::{
    Address, Button, Byte, Compression, Config, Counted, DataTemplate, Derivation, Destination, Direction, Drain,
    EnvelopeFormat, Environment, FieldValue, Find, Labels, LineAddress, Medium, Missing, MqttVersion, Order, Parity,
    Priority, Rate, Reference, Secret, SerialPort, Severity, Sharing, Source, Stage, SyncedBy, Table, TagType,
    WordOrder, schema,
};
use serde_json::{Value, json};

use crate::folder::Folder;

const FULL: &str = include_str!("full.toml");

fn full() -> Folder {
    let empty = |name| (name, "-");
    let line = "[[source.modbus]]\nname = \"line-4\"\naddress = \"tcp://[fe80::12]\"\n\
        [[source.modbus.device]]\nname = \"press-13\"\nunit = 1\nevery = \"1s\"\nnumbering = \"zero-based\"\nword_order = \"DCBA\"\n\
        tag = [{ name = \"speed\", at = \"7\", type = \"f32\" }]\n\
        event = [{ type = \"measurement.sampled\", sample = \"*\" }]\n";
    Folder::with(&[
        ("plantlink.toml", FULL),
        ("conf.d/10-line-4.toml", line),
        ("tags/press-12.csv", "name;at;type;scale\noil_temperature;30005;i16;0,1\n"),
        ("alarms/mixer.csv", "bit;code;severity;text\n0;E100;critical;Lid is open\n"),
        empty("ca.pem"),
        empty("gw.crt"),
        empty("gw.key"),
        empty("odoo-key"),
        ("mes-password", "hunter2\n"),
    ])
}

fn config(folder: &Folder) -> Config {
    let loaded = folder.load(Environment::Run);
    assert_eq!(loaded.problems, []);
    loaded.config.unwrap()
}

#[test]
fn a_modbus_line_becomes_what_the_file_says() {
    let config = config(&full());
    let [Source::Modbus(line), Source::Modbus(serial), Source::Modbus(second), Source::Mqtt(_)] =
        config.sources.as_slice()
    else {
        panic!("{:?}", config.sources)
    };
    assert_eq!(line.address, LineAddress::Tcp { host: "10.20.1.12".into(), port: 502 });
    assert_eq!(second.address, LineAddress::Tcp { host: "fe80::12".into(), port: 502 });
    let port = SerialPort { path: "/dev/null".into(), baud: 9_600, parity: Parity::None, stop_bits: 2 };
    assert_eq!((serial.pause, &serial.address), (port.frame_gap(), &LineAddress::Serial(port)));
    let [press] = line.devices.as_slice() else { panic!("{:?}", line.devices) };
    assert_eq!((press.unit, press.every), (3, Duration::from_millis(500)));
    assert_eq!(press.profile.as_ref().map(ToString::to_string).as_deref(), Some("press-4000 3"));
    assert_eq!(press.stage, Stage::Commissioning);
    let tag = |name: &str| press.tags.iter().find(|tag| *tag.name == *name).unwrap();
    let (good, scrap, guard) = (tag("good_parts"), tag("scrap_parts"), tag("guard_open"));
    assert_eq!((good.at, &good.kind), (Address { table: Table::Holding, wire: 0 }, &TagType::U32));
    assert_eq!((scrap.word_order, good.word_order), (WordOrder::Cdab, WordOrder::Abcd));
    assert_eq!(guard.kind, TagType::Bit(4));
    assert_eq!((good.every, tag("speed").every), (press.every, Duration::from_secs(5)));
    assert_eq!((press.every_at.line, &*press.every_at.path), (24, "source.modbus[0].device[0].every"));
    let speed = &second.devices[0].tags[0];
    assert_eq!((speed.at.wire, speed.word_order), (7, WordOrder::Dcba));
    let state = Labels::from_iter([(0, "stopped"), (3, "run")]);
    assert_eq!((&tag("state").kind, tag("state").missing.as_slice()), (&TagType::Enum(state), &[0xFFFF][..]));
    assert_eq!((&tag("mold").kind, &tag("program").kind), (&TagType::Text { bytes: 15 }, &TagType::U8(Byte::High)));
    assert_eq!(tag("power").scale_from, Some(tag("power_factor").name.clone()));
    assert_eq!((tag("oil_temperature").at.wire, tag("oil_temperature").scale), (4, 0.1));
    let [
        Derivation::Sampled(_),
        Derivation::Counted(Counted { scrap, accumulate, data, .. }),
        Derivation::Consumed(consumed),
        Derivation::Edge(cycle),
        Derivation::Edge(own),
        Derivation::Sampled(_),
    ] = press.events.as_slice()
    else {
        panic!("{:?}", press.events)
    };
    assert_eq!((scrap.as_deref(), *accumulate), (Some("scrap_parts"), Duration::from_secs(300)));
    assert_eq!((&*consumed.counter, consumed.medium, consumed.max_step), ("power", Medium::Hours, Some(0.5)));
    assert_eq!(consumed.accumulate, Duration::ZERO);
    assert_eq!(
        (&*cycle.event_type, &*cycle.tag, cycle.direction),
        ("cycle.completed", "guard_open", Direction::Rising)
    );
    assert_eq!((&*own.event_type, own.direction, own.data.len()), ("paint.booth_opened", Direction::Falling, 1));
    let keys: Vec<&str> = data.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["order", "line", "values"], "in the order of the file");
    assert!(matches!(&data[1].1, DataTemplate::Constant(line) if *line == json!("L3")));
    assert!(matches!(&data[2].1, DataTemplate::Table(values) if matches!(values[0].1, DataTemplate::Template(_))));
}

#[test]
fn brokers_and_odoo_become_what_the_file_says() {
    let folder = full();
    let config = config(&folder);
    assert_eq!(config.clock.synced_by, SyncedBy::Time);
    let Some(Source::Mqtt(mes)) = config.sources.last() else { panic!("{:?}", config.sources) };
    assert_eq!((mes.link.port, mes.link.client_id.as_str()), (8883, "mill-07.gw-paint-01.mes"));
    assert_eq!(mes.topics[0].filter.as_subscription(), "mes/+/orders/+/finished");
    assert_eq!(mes.session_expiry, Duration::from_secs(7 * 86_400));
    assert_eq!(mes.link.password.as_ref().unwrap().read().unwrap().expose(), "hunter2");
    let [Destination::Odoo(erp), Destination::Mqtt(central), Destination::Webhook(hook)] =
        config.destinations.as_slice()
    else {
        panic!("{:?}", config.destinations)
    };
    assert_eq!((mes.stage, central.format), (Stage::Production, EnvelopeFormat::CloudEvents));
    assert_eq!(central.link.version, MqttVersion::V311);
    let tls = central.link.tls.as_ref().unwrap();
    assert_eq!(tls.ca, Some(folder.path().join("ca.pem")), "relative to the file");
    assert_eq!(tls.key, Some(Secret::File(folder.path().join("gw.key"))));
    let [machine, finished, downtime, machine_state, counted, closed] = erp.records.as_slice() else {
        panic!("{:?}", erp.records)
    };
    let fields: Vec<&str> = finished.fields.iter().map(|field| field.column.as_str()).collect();
    assert_eq!(fields, ["x_name", "x_at", "x_priority", "x_final"]);
    assert!(matches!(&finished.fields[3].value, FieldValue::Template(text) if text.constant() == Some("true")));
    assert_eq!(finished.when.asked[1], (Reference::Pointer("/result".to_owned()), vec![json!("ok"), json!("nok")]));
    assert_eq!(
        (finished.skip_after, finished.unique.as_slice()),
        (Some(Duration::from_hours(8)), &["x_name".to_owned()][..])
    );
    assert!(matches!(&machine.sharing, Sharing::Update { .. }));
    for existing in [counted, machine_state] {
        assert!(matches!(&existing.sharing, Sharing::Existing { .. }), "{existing:?}");
    }
    assert!(matches!(&closed.sharing, Sharing::Press { button: Button::ButtonMarkDone, .. }), "{closed:?}");
    let related = |field: &plantlink_config::Field| match &field.value {
        FieldValue::Related(related) => (field.column.clone(), related.find.clone(), related.missing),
        FieldValue::Template(template) => panic!("{template:?}"),
    };
    assert_eq!(related(&machine.fields[1]), ("category_id/id".to_owned(), Find::ExternalId, Missing::Empty));
    let search = Find::Search { model: "mrp.workcenter".to_owned(), by: "code".to_owned() };
    assert_eq!(related(&downtime.fields[0]), ("workcenter_id/.id".to_owned(), search, Missing::Wait));
    assert!(
        matches!(&downtime.sharing, Sharing::Interval { close_fields, .. } if close_fields[0].column == "date_end")
    );
    assert_eq!(config.flows[0].was.as_deref(), Some("workorders"));
    let stages: Vec<&[Stage]> = config.flows.iter().map(|flow| flow.stages.as_slice()).collect();
    assert_eq!(stages, [&[Stage::Production][..], &[Stage::Production, Stage::Commissioning], &[Stage::Production]]);
    assert_eq!((config.flows[0].priority, config.flows[0].order), (Priority::Critical, Order::LiveFirst));
    assert_eq!((config.flows[0].max_delay, config.flows[1].max_delay), (Some(Duration::from_mins(1)), None));
    assert_eq!(central.pacing.rate, Some(Rate { per_second: 500, burst: 1_000 }));
    assert_eq!(central.pacing.drain, Drain { per_second: Some(200), start_within: Some(Duration::from_mins(1)) });
    assert_eq!((hook.batch, hook.timeout, hook.compression), (100, Duration::from_secs(20), Compression::Gzip));
    assert_eq!((&erp.http.proxy, erp.http.headers.len()), (&hook.http.proxy, 1));
    assert_eq!(erp.pacing.rate, Some(Rate { per_second: 50, burst: 80 }));
    assert_eq!(erp.pacing.drain, Drain { per_second: Some(20), start_within: Some(Duration::from_mins(5)) });
}

#[test]
fn what_is_left_out_has_the_default_that_the_schema_states() {
    let folder = Folder::with(&[(
        "plantlink.toml",
        r#"
            plant = { id = "p", gateway = "g" }
            heartbeat = { to = ["c"] }
            flow = [{ name = "all", events = ["*"], to = "c" }]
            [[source.modbus]]
            name = "l"
            address = "tcp://plc"
            [[source.modbus.device]]
            name = "d"
            unit = 1
            every = "1s"
            tag = [{ name = "t", at = "40001", type = "u16" }]
            event = [{ type = "measurement.sampled", sample = ["t"] }]
            [[destination.mqtt]]
            name = "c"
            url = "mqtt://broker"
        "#,
    )]);
    let config = config(&folder);
    let schema = schema();
    let stated = |pointer: &str| schema.pointer(pointer).and_then(|key| key.get("default")).unwrap().clone();
    let Some(Source::Modbus(line)) = config.sources.first() else { panic!("{:?}", config.sources) };
    let Some(Destination::Mqtt(central)) = config.destinations.first() else { panic!("{:?}", config.destinations) };
    assert_eq!(config.buffer.path.to_str(), Some("/var/lib/plantlink/buffer.db"));
    assert_eq!(stated("/properties/buffer")["path"], json!("/var/lib/plantlink/buffer.db"));
    assert_eq!(config.buffer.commit_within, Duration::from_millis(250));
    assert_eq!(
        (config.buffer.max_size, stated("/properties/buffer")["max_size"].clone()),
        (2_000_000_000, json!("2GB"))
    );
    assert_eq!(config.clock.synced_by, SyncedBy::Kernel);
    assert_eq!(stated("/properties/clock")["synced_by"], json!("kernel"));
    assert_eq!(config.buffer.keep_delivered, Duration::from_hours(7 * 24));
    assert_eq!(stated("/properties/buffer")["keep_delivered"], json!("7d"));
    assert_eq!(line.timeout, Duration::from_millis(500));
    let modbus = "/properties/source/properties/modbus/items/properties";
    assert_eq!(stated(&format!("{modbus}/timeout")), json!("500ms"));
    assert_eq!(line.devices[0].max_registers, 125);
    assert_eq!(stated(&format!("{modbus}/device/items/properties/max_registers")), json!(125));
    assert_eq!((central.link.port, central.link.window), (1883, 500));
    assert_eq!(central.link.client_id, "p.g.c");
    assert_eq!(stated("/properties/heartbeat/properties/every"), json!("30s"));
    assert_eq!(config.heartbeat.unwrap().every, Duration::from_secs(30));
}

#[test]
fn the_hash_is_that_of_the_files_one_after_the_other() {
    let folder = Folder::with(&[("plantlink.toml", "plant = { id = \"p\", gateway = \"g\" }\n")]);
    let hash = folder.load(Environment::Run).config.unwrap().hash;
    assert_eq!(hash, "e14aa8300cf76f6bcdf799d3ef02e9257eb2d19fe39787b51f80043fc074708e", "as sha256sum prints it");
    let included = Folder::with(&[
        ("plantlink.toml", "include = [\"a.toml\"]\n"),
        ("a.toml", "plant = { id = \"p\", gateway = \"g\" }\n"),
    ]);
    assert_ne!(included.load(Environment::Run).config.unwrap().hash, hash);
}

#[test]
fn the_example_shows_every_key_of_the_schema() {
    let mut known = BTreeSet::new();
    schema_keys(&schema(), "", &mut known);
    let mut shown = BTreeSet::new();
    file_keys(&json(FULL), "", &mut shown);
    // A certificate and a key are each a path or a table: the example shows one of each, and a secret from a file alone.
    let told_elsewhere = |key: &str| {
        key.ends_with(".credential")
            || key.ends_with(".env")
            || key.contains(".certificate.")
            || key.contains(".key.")
            || ["odoo.tls", "source.mqtt.tls"].iter().any(|tls| key.contains(tls))
    };
    let hidden: Vec<&String> = known.difference(&shown).filter(|key| !told_elsewhere(key)).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn a_file_that_was_cut_off_anywhere_is_refused_or_read_and_never_a_crash() {
    for end in (0..FULL.len()).step_by(37) {
        let folder = full();
        std::fs::write(folder.path().join("plantlink.toml"), &FULL[..end]).unwrap();
        let loaded = folder.load(Environment::Run);
        let errors = loaded.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        assert_eq!(loaded.config.is_none(), errors > 0, "cut off at byte {end}");
    }
}

fn schema_keys(schema: &Value, path: &str, keys: &mut BTreeSet<String>) {
    for (key, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{key}");
        schema_keys(schema, &path, keys);
        keys.insert(path);
    }
    for inner in ["oneOf", "anyOf"].iter().filter_map(|word| schema.get(word)?.as_array()).flatten() {
        schema_keys(inner, path, keys);
    }
    if let Some(items) = schema.get("items") {
        schema_keys(items, path, keys);
    }
}

fn file_keys(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        file_keys(value, &path, keys);
        keys.insert(path);
    }
    for item in value.as_array().into_iter().flatten() {
        file_keys(item, path, keys);
    }
}

fn json(text: &str) -> Value {
    toml::from_str(text).unwrap()
}
