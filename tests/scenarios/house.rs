//! The house: what may know what, and what a gateway's program is made of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in the workspace").to_owned()
}

/// All Rust files below a folder of the workspace, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a Rust file");
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} holds no Rust file");
    files
}

/// Fails with every line of a folder's files that names one of the words.
fn assert_never_names(folder: &str, words: &[&str]) {
    let found: Vec<String> = sources(folder)
        .iter()
        .flat_map(|(path, text)| {
            let named = text.lines().filter(|line| words.iter().any(|word| line.contains(word)));
            named.map(|line| format!("{}: {}", path.display(), line.trim())).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "{folder} must not know {words:?}:\n{}", found.join("\n"));
}

/// The packages that a build of the gateway's program consists of, `name version`.
fn gateway_packages() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "plantlink",
            "--no-default-features",
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints text");
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        })
        .collect()
}

#[test]
fn the_top_level_is_the_house_and_nothing_else() {
    let allowed = BTreeSet::from([
        "Cargo.toml",
        "Cargo.lock",
        "agent",
        "config",
        "buffer",
        "tests",
        "packaging",
        "systemd",
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "CHANGELOG.md",
        "Cross.toml",
        "deny.toml",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "clippy.toml",
        "target",
    ]);
    for entry in std::fs::read_dir(root()).expect("the workspace") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name in UTF-8");
        assert!(name.starts_with('.') || allowed.contains(name.as_str()), "{name} has no place on the top level");
    }
}

#[test]
fn configuration_and_buffer_know_no_other_crate_and_no_network() {
    assert_never_names("config/src", &["plantlink_buffer", "tokio", "TcpStream", "UdpSocket", "rusqlite"]);
    assert_never_names("buffer/src", &["plantlink_config", "tokio", "TcpStream", "UdpSocket", "async "]);
}

#[test]
fn the_two_halves_never_name_each_other() {
    assert_never_names("agent/src/source", &["crate::destination", "crate::deliver", "crate::store", "crate::mapping"]);
    assert_never_names("agent/src/destination", &["crate::source", "crate::collect", "crate::store", "crate::mapping"]);
    assert_never_names(
        "agent/src/mapping",
        &["crate::destination", "crate::store", "tokio", "std::fs", "SystemTime", "Instant"],
    );
    assert_never_names("agent/src/mqtt", &["crate::source", "crate::destination", "crate::store", "crate::mapping"]);
}

#[test]
fn the_pure_files_take_time_as_an_argument() {
    for file in [
        "source/modbus/plan/mod.rs",
        "source/modbus/decode/mod.rs",
        "source/modbus/scaling.rs",
        "backoff.rs",
        "template.rs",
        "mapping/counter.rs",
    ] {
        let text = std::fs::read_to_string(root().join("agent/src").join(file)).expect(file);
        for word in ["tokio", "Instant::now", "SystemTime", "Time::now", "clock.now", "std::fs", "std::net"] {
            assert!(!text.contains(word), "{file} names {word}");
        }
    }
}

#[test]
fn no_modbus_write_exists_in_the_program() {
    assert_never_names(
        "agent/src/source",
        &["WriteSingle", "WriteMultiple", "ReadWriteMultiple", "MaskWrite", "write_single_", "write_multiple_"],
    );
}

#[test]
fn a_gateways_program_has_one_tls_one_crypto_provider_and_no_demonstration() {
    let packages = gateway_packages();
    let versions = |name: &str| packages.iter().filter(|package| package.split(' ').next() == Some(name)).count();
    for one in ["rustls", "rustls-webpki", "ring", "tokio", "rusqlite"] {
        assert_eq!(versions(one), 1, "{one}: {packages:#?}");
    }
    for none in ["aws-lc-rs", "aws-lc-sys", "openssl", "native-tls", "rustls-pemfile", "rumqttd", "indicatif"] {
        assert_eq!(versions(none), 0, "{none} is in a gateway's program");
    }
}

#[test]
fn the_toolchain_is_pinned() {
    let text = std::fs::read_to_string(root().join("rust-toolchain.toml")).expect("rust-toolchain.toml");
    assert!(text.contains("channel = \"1.95.0\""), "{text}");
}
