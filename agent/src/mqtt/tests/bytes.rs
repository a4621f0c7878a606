//! Whatever bytes come from the other side: an error at worst.

use ::bytes::BytesMut;
use plantlink_config::MqttVersion;
use proptest::prelude::*;

use super::VERSIONS;
use super::broker::{connack, puback_because, publish, suback, unsuback};
use crate::mqtt::frame::Frames;
use crate::mqtt::packet::Codec;

/// What is understood of bytes that come in these pieces; the last entry is the error, if there is one.
fn understood(version: MqttVersion, pieces: &[&[u8]]) -> Vec<String> {
    let codec = Codec::new(version);
    let mut frames = Frames::new(300);
    let mut input = BytesMut::new();
    let mut packets = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match frames.next(&mut input).and_then(|frame| frame.map(|frame| codec.read(frame)).transpose()) {
                Ok(Some(packet)) => packets.push(format!("{packet:?}")),
                Ok(None) => break,
                Err(error) => {
                    packets.push(format!("{error:?}"));
                    return packets;
                }
            }
        }
    }
    packets
}

/// All that a broker says, one after the other, an oversized message in between.
fn conversation(version: MqttVersion) -> Vec<u8> {
    [
        connack(version, true, 0, &[0x21, 0, 20, 0x1F, 0, 2, b'o', b'k']),
        publish(version, 1, "mes/1", b"a message"),
        publish(version, 2, "mes/1", &[b'x'; 1000]),
        publish(version, 0, "mes/2", &[b'y'; 200]),
        suback(version, 3, &[1, 0x80]),
        unsuback(version, 4, &[0]),
        if version == MqttVersion::V5 { puback_because(5, 0x10).to_vec() } else { vec![0x40, 2, 0, 5] },
        vec![0xD0, 0],
        publish(version, 6, "mes/3", b"the last"),
    ]
    .concat()
}

proptest! {
    #[test]
    fn any_bytes_are_understood_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for version in VERSIONS {
            understood(version, &[&bytes]);
        }
    }

    #[test]
    fn a_damaged_conversation_is_understood_or_refused(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for version in VERSIONS {
            let mut bytes = conversation(version);
            for (place, byte) in &damage {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            understood(version, &[&bytes]);
        }
    }

    #[test]
    fn it_does_not_matter_where_the_bytes_are_cut(cut in any::<proptest::sample::Index>(), size in 1usize..40) {
        for version in VERSIONS {
            let bytes = conversation(version);
            let whole = understood(version, &[&bytes]);
            prop_assert_eq!(whole.len(), 9);
            let (front, back) = bytes.split_at(cut.index(bytes.len()));
            prop_assert_eq!(&whole, &understood(version, &[front, back]));
            prop_assert_eq!(&whole, &understood(version, &bytes.chunks(size).collect::<Vec<_>>()));
        }
    }
}
