//! Profiles: tags and events of many devices, with differences per device.

use plantlink_config::{Device, Environment, Expected, Source, Table, TagType};

use crate::folder::Folder;

/// Two devices with one profile, which stands in a file of its own.
const PLANT: &str = r#"
include = ["profiles/*.toml"]
plant = { id = "p", gateway = "g" }
flow = [{ name = "all", events = ["*"], to = "center" }]
destination.mqtt = [{ name = "center", url = "mqtt://center" }]
[[source.modbus]]
name = "line"
address = "tcp://plc"
[[source.modbus.device]]
name = "press-1"
unit = 1
every = "1s"
profile = "press"
[[source.modbus.device]]
name = "press-2"
unit = 2
every = "1s"
numbering = "one-based"
profile = "press"
tag = [{ name = "speed", scale = 0.5 }, { name = "extra", at = "7", type = "u16" }]
event = [{ type = "measurement.sampled", sample = ["extra"] }]
"#;

const PROFILE: &str = r#"
[[profile.press.tag]]
name = "good"
at = "40001"
type = "u32"
[[profile.press.tag]]
name = "speed"
at = "40003"
type = "u16"
scale = 0.1
unit_of_measure = "mm/s"
[[profile.press.event]]
type = "production.counted"
good = "good"
"#;

fn with_profile(profile: &str) -> Folder {
    Folder::with(&[("plantlink.toml", PLANT), ("profiles/press.toml", profile)])
}

#[test]
fn a_device_has_the_tags_and_events_of_its_profile_with_its_own_differences() {
    let loaded = with_profile(PROFILE).load(Environment::Run);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    let [Source::Modbus(line)] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
    let shown = |device: &Device| -> Vec<(String, u16, f64)> {
        device.tags.iter().map(|tag| (tag.name.to_string(), tag.at.wire, tag.scale)).collect()
    };
    assert_eq!(shown(&line.devices[0]), [("good".into(), 0, 1.0), ("speed".into(), 2, 0.1)]);
    let second = [("good".into(), 40_000, 1.0), ("speed".into(), 40_002, 0.5), ("extra".into(), 6, 1.0)];
    assert_eq!(shown(&line.devices[1]), second, "bare numbers follow the device");
    assert_eq!(line.devices[1].tags[1].unit_of_measure.as_deref(), Some("mm/s"));
    assert_eq!((line.devices[0].events.len(), line.devices[1].events.len()), (1, 2));
}

#[test]
fn the_devices_of_a_profile_show_their_nameplate_unless_one_says_otherwise() {
    let plant = PLANT.replacen("unit = 2", "unit = 2\nnameplate = false", 1);
    let profile = format!("[profile.press]\nnameplate = true\n{PROFILE}");
    let loaded = Folder::with(&[("plantlink.toml", &plant), ("profiles/press.toml", &profile)]).load(Environment::Run);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    let [Source::Modbus(line)] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
    assert_eq!(line.devices.iter().map(|device| device.nameplate).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_problem_of_a_profile_is_told_once_where_the_profile_has_it() {
    for (part, by, expected) in [
        (
            "type = \"u32\"",
            "type = \"u23\"",
            "profiles/press.toml:5:8  profile.press.tag[0].type: `u23` is not allowed",
        ),
        ("unit_of_measure", "unit_of_measur", "profiles/press.toml:11:1  profile.press.tag[1]: unknown key"),
        (
            "name = \"speed\"",
            "name = \"good\"",
            "profiles/press.toml:7:8  source.modbus[0].device[0].tag[1].name: `good` is there twice: also at profiles/press.toml:3:8",
        ),
        (
            "\"production.counted\"\ngood",
            "\"production.counted\"\nscrap",
            "profiles/press.toml:12:1  profile.press.event[0]: missing key `good`",
        ),
    ] {
        let problems = with_profile(&PROFILE.replace(part, by)).problems(Environment::Run);
        let of_profile: Vec<_> = problems.iter().filter(|problem| problem.starts_with("profiles/")).collect();
        assert!(of_profile.len() == 1 && of_profile[0].starts_with(expected), "{problems:#?}");
    }
}

#[test]
fn a_profile_that_nobody_has_and_one_that_is_not_there_are_told() {
    let other = PROFILE.replace("profile.press.", "profile.pres.");
    let problems = with_profile(&other).problems(Environment::Run);
    let expected = [
        "plantlink.toml:13:11  source.modbus[0].device[0].profile: there is no profile `press` (did you mean `pres`?)",
        "plantlink.toml:19:11  source.modbus[0].device[1].profile: there is no profile `press` (did you mean `pres`?)",
    ];
    assert_eq!(
        problems.iter().filter(|problem| problem.contains("there is no profile")).collect::<Vec<_>>(),
        expected.each_ref()
    );
    assert!(problems.iter().any(|problem| problem.contains("warning: profile.pres: no device has")), "{problems:#?}");
}

#[test]
fn the_same_own_tag_twice_is_an_error_though_the_profile_has_it_too() {
    let twice = PLANT.replace("scale = 0.5 },", "scale = 0.5 }, { name = \"speed\", scale = 2 },");
    let folder = Folder::with(&[("plantlink.toml", &twice), ("profiles/press.toml", PROFILE)]);
    let problems = folder.problems(Environment::Run);
    assert!(problems.iter().any(|problem| problem.contains("`speed` is there twice")), "{problems:#?}");
}

#[test]
fn a_device_knows_its_profile_and_the_version() {
    for (version, expected) in
        [("", "press"), ("version = \"3\"", "press 3"), ("version = \"2026-04 b\"", "press 2026-04 b")]
    {
        let own = "[[source.modbus.device]]\nname = \"pump\"\nunit = 3\nevery = \"1s\"\ntag = [{ name = \"flow\", at = \"40001\", type = \"u16\" }]\n";
        let profile = format!("[profile.press]\n{version}\n{PROFILE}");
        let folder = Folder::with(&[("plantlink.toml", &format!("{PLANT}{own}")), ("profiles/press.toml", &profile)]);
        let config = folder.load(Environment::Run).config.unwrap();
        let [Source::Modbus(line)] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
        let shown = line.devices.iter().map(|device| device.profile.as_ref().map(ToString::to_string));
        assert_eq!(shown.collect::<Vec<_>>(), [Some(expected.to_owned()), Some(expected.to_owned()), None]);
    }
}

#[test]
fn a_version_is_a_text_that_says_something() {
    for (version, expected) in [
        ("\" \"", "profiles/press.toml:2:11  profile.press.version: this cannot be empty"),
        ("3", "profiles/press.toml:2:11  profile.press.version:"),
    ] {
        let problems =
            with_profile(&format!("[profile.press]\nversion = {version}\n{PROFILE}")).problems(Environment::Run);
        assert!(problems.len() == 1 && problems[0].starts_with(expected), "{problems:#?}");
    }
}

/// The profile with a firmware that its tags are for.
fn with_identity(identity: &str) -> Folder {
    with_profile(&format!("[profile.press]\nidentity = {identity}\n{PROFILE}"))
}

#[test]
fn a_device_has_the_identity_of_its_profile_or_its_own() {
    let profile =
        format!("[profile.press]\nidentity = {{ at = \"30001\", type = \"u16\", expect = [412, 413] }}\n{PROFILE}");
    let own = r#"identity = { at = "input:7", type = "string", length = 8, expect = ["v2.1"] }"#;
    let plant = PLANT.replace("numbering = \"one-based\"", &format!("numbering = \"one-based\"\n{own}"));
    let loaded = Folder::with(&[("plantlink.toml", &plant), ("profiles/press.toml", &profile)]).load(Environment::Run);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    let [Source::Modbus(line)] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
    let [first, second] = [0, 1].map(|device| line.devices[device].identity.as_ref().unwrap());
    assert_eq!((first.tag.at.table, first.tag.at.wire, &first.tag.kind), (Table::Input, 0, &TagType::U16));
    assert_eq!(first.expect, [412, 413].map(Expected::Number));
    assert_eq!((second.tag.at.wire, &second.tag.kind), (7, &TagType::Text { bytes: 8 }));
    assert_eq!(second.expect, [Expected::Text("v2.1".to_owned())]);
}

#[test]
fn an_identity_is_a_whole_number_or_a_string_and_expects_such() {
    for (identity, expected) in [
        (r#"{ at = "30001", type = "u16" }"#, "missing key `expect`"),
        (r#"{ type = "u16", expect = [1] }"#, "missing key `at`"),
        (r#"{ at = "30001", expect = [1] }"#, "missing key `type`"),
        (r#"{ at = "30001", type = "u16", expect = [] }"#, "the list is empty"),
        (r#"{ at = "30001", type = "f32", expect = [1] }"#, "an identity of type f32 is not possible"),
        (r#"{ at = "30001", type = "u16", expect = ["1"] }"#, "a value of type u16 is never this"),
        (r#"{ at = "30001", type = "string", length = 4, expect = [1] }"#, "a value of type string is never this"),
    ] {
        let problems = with_identity(identity).problems(Environment::Run);
        assert!(problems.len() == 1 && problems[0].contains(expected), "{identity}: {problems:#?}");
    }
}
