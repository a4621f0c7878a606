//! Any bytes from a broker: packets or an error, and the same ones however the network cuts the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plantlink::fuzzing::packets;
use plantlink_config::MqttVersion;

fuzz_target!(|input: (bool, u8, u8, &[u8])| {
    let (is_v5, packet_bytes_max, cut, bytes) = input;
    let version = if is_v5 { MqttVersion::V5 } else { MqttVersion::V311 };
    let read = |pieces: &[&[u8]]| packets(version, packet_bytes_max.into(), pieces.iter().copied());
    let whole = read(&[bytes]);
    let (head, tail) = bytes.split_at(bytes.len().min(cut.into()));
    assert_eq!(read(&[head, tail]), whole, "cut at {cut}");
});
