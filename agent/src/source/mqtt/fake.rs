//! A source of messages as tests need one: what a test does not say of it is plain.

use std::time::Duration;

use plantlink_config::{MqttLink, MqttQos, MqttSource, MqttVersion, Name, Stage};

pub(crate) fn link() -> MqttLink {
    MqttLink {
        host: "127.0.0.1".into(),
        port: 1883,
        tls: None,
        version: MqttVersion::V5,
        client_id: "gw".into(),
        username: None,
        password: None,
        window: 500,
    }
}

/// It takes no topics yet.
pub(crate) fn source() -> MqttSource {
    MqttSource {
        name: Name::new("mes").unwrap(),
        link: link(),
        session_expiry: Duration::from_secs(60),
        qos: MqttQos::AtLeastOnce,
        stage: Stage::Production,
        retained: false,
        topics: Vec::new(),
        sparkplug: Vec::new(),
    }
}
