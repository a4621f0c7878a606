//! The quality of service with which a source takes messages in or a destination hands them over.

/// How messages are handed over (MQTT 5, section 4.3). At most once is none of them: what is lost on the way would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttQos {
    /// 1: what is not acknowledged comes again.
    AtLeastOnce,
    /// 2: nothing comes twice, for one more round trip.
    ExactlyOnce,
}

impl MqttQos {
    /// Of the number in the file, which is 1 or 2 by then.
    pub(crate) fn new(qos: u8) -> Self {
        match qos {
            0 | 1 => MqttQos::AtLeastOnce,
            2.. => MqttQos::ExactlyOnce,
        }
    }
}

/// At least once, when the file does not say.
pub(crate) const QOS: u8 = 1;
