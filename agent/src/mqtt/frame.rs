//! Cuts the incoming bytes into packets, so that the codec only ever sees whole ones.
//!
//! rumqttc's codec takes "more bytes are needed" for an answer even when a whole packet merely contradicts itself, and
//! silently swallows that packet. It also ends the connection over a packet that is too large, which a broker then
//! delivers again for ever. Here a message over the limit is passed by without being held in memory, and is still known.

use bytes::{Buf, BytesMut};

use super::packet::PacketError;

/// The largest fixed header: packet type and flags, then a length of up to four bytes (MQTT 5, section 2.1).
const HEADER_BYTES_MAX: usize = 5;
const PUBLISH: u8 = 3;

/// What was found at the front of the bytes received.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A whole packet.
    Whole(BytesMut),
    /// A PUBLISH over the limit: its front, up to and with the packet id. The rest is thrown away as it comes.
    Oversized { front: OversizedPublish, bytes: usize },
}

/// What is kept of a message that is too large.
#[derive(Debug)]
pub(crate) struct OversizedPublish {
    /// The low half of the first byte: DUP, QoS, RETAIN.
    pub(crate) flags: u8,
    pub(crate) topic: BytesMut,
    /// 0 with QoS 0.
    pub(crate) packet_id: u16,
}

/// The state between two packets.
#[derive(Debug)]
pub(crate) struct Frames {
    packet_bytes_max: usize,
    /// What is left of a message that is too large.
    skip: usize,
}

impl Frames {
    /// `packet_bytes_max` holds for a whole packet, its header included.
    pub(crate) fn new(packet_bytes_max: u32) -> Self {
        Frames { packet_bytes_max: packet_bytes_max as usize, skip: 0 }
    }

    /// Takes the next packet from the front of `input`; `None` asks for more bytes.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, PacketError> {
        let skipped = self.skip.min(input.len());
        input.advance(skipped);
        self.skip -= skipped;
        let Some(header) = Header::read(input)? else {
            return Ok(None);
        };
        if header.packet_bytes() > self.packet_bytes_max {
            return self.oversized(&header, input);
        }
        if input.len() < header.packet_bytes() {
            input.reserve(header.packet_bytes() - input.len());
            return Ok(None);
        }
        Ok(Some(Frame::Whole(input.split_to(header.packet_bytes()))))
    }

    fn oversized(&mut self, header: &Header, input: &mut BytesMut) -> Result<Option<Frame>, PacketError> {
        let bytes = header.packet_bytes();
        if header.first >> 4 != PUBLISH {
            return Err(PacketError::TooLarge { bytes, bytes_max: self.packet_bytes_max });
        }
        let flags = header.first & 0x0F;
        let Some(&[high, low]) = input.get(header.bytes..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        let topic_bytes = usize::from(u16::from_be_bytes([high, low]));
        let id_bytes = if flags & 0b0110 == 0 { 0 } else { 2 };
        let front_bytes = header.bytes + 2 + topic_bytes + id_bytes;
        if front_bytes > bytes {
            return Err(PacketError::Malformed("the topic is longer than its packet".to_owned()));
        }
        if input.len() < front_bytes {
            return Ok(None);
        }
        input.advance(header.bytes + 2);
        let topic = input.split_to(topic_bytes);
        let packet_id = if id_bytes == 0 { 0 } else { input.get_u16() };
        self.skip = bytes - front_bytes;
        Ok(Some(Frame::Oversized { front: OversizedPublish { flags, topic, packet_id }, bytes }))
    }
}

/// The fixed header of a packet.
struct Header {
    first: u8,
    bytes: usize,
    remaining: usize,
}

impl Header {
    fn read(input: &[u8]) -> Result<Option<Header>, PacketError> {
        let Some((&first, lengths)) = input.split_first() else {
            return Ok(None);
        };
        let mut remaining = 0;
        for (place, byte) in lengths.iter().take(HEADER_BYTES_MAX - 1).enumerate() {
            remaining |= usize::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(Some(Header { first, bytes: place + 2, remaining }));
            }
        }
        if input.len() < HEADER_BYTES_MAX {
            return Ok(None);
        }
        Err(PacketError::Malformed("a packet's length has more than four bytes".to_owned()))
    }

    fn packet_bytes(&self) -> usize {
        self.bytes + self.remaining
    }
}
