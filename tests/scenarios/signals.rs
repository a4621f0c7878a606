//! Signals that come while the agent has hardly begun: before it has read its configuration.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use plantlink_tests::agent::Agent;
use plantlink_tests::wait;

use crate::plant::{Plant, SOON};

/// An agent that reads its configuration from a pipe, in which nothing comes yet.
struct Reading {
    agent: Agent,
    config: PathBuf,
    pipe: File,
}

impl Reading {
    async fn begin(toml: &str) -> Reading {
        let mut agent = Agent::prepare(toml, &[]);
        let config = agent.path("plantlink.toml");
        fs::remove_file(&config).expect("the configuration was written");
        let made = Command::new("mkfifo").arg(&config).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo is a part of every system");
        // Open in both directions, it waits for nobody.
        let pipe = File::options().read(true).write(true).open(&config).expect("the pipe");
        agent.restart();
        let open_files = format!("/proc/{}/fd", agent.process());
        wait::until("the agent to read its configuration", SOON, async || {
            let files = fs::read_dir(&open_files).ok()?.flatten();
            files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file == config).then_some(())
        })
        .await;
        Reading { agent, config, pipe }
    }

    /// The configuration comes, and stands in an ordinary file from then on.
    fn end(mut self, toml: &str) -> Agent {
        fs::remove_file(&self.config).expect("the pipe was there");
        self.agent.reconfigure(toml);
        let text = fs::read(&self.config).expect("the configuration was written");
        self.pipe.write_all(&text).expect("the agent reads");
        self.agent
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_before_the_configuration_is_read_is_remembered_and_ends_nobody() {
    let plant = Plant::start().await;
    let toml = plant.config("", "", "");
    let reading = Reading::begin(&toml).await;
    reading.agent.hang_up();
    let agent = reading.end(&toml);
    let status = agent.wait_until("the reload", SOON, |status| status["reload"].is_object()).await;
    let reload = &status["reload"];
    assert_eq!((&reload["by"], &reload["applied"]), (&"SIGHUP".into(), &true.into()), "{reload:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_the_configuration_is_read_is_an_ordinary_one() {
    let plant = Plant::start().await;
    let mut reading = Reading::begin(&plant.config("", "", "")).await;
    let ended = reading.agent.terminate().await;
    assert!(ended.success(), "{ended}: {}", reading.agent.log());
    assert!(!reading.agent.path("buffer.db").exists(), "nothing was started");
}
