//! Frames against the format's own bytes, in every cut, and against noise.

use super::*;

fn all(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<Frame>, Error> {
    decoder.buffer.extend_from_slice(bytes);
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next()? {
        frames.push(frame);
    }
    Ok(frames)
}

/// A SYN_STREAM of stream 1 without headers.
fn open() -> Vec<u8> {
    let block = Writer::default().empty();
    let mut frame = control(SYN_STREAM, block.len() + 10);
    frame.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    frame.extend_from_slice(&block);
    frame
}

#[test]
fn frames_arrive_in_any_cut() {
    let mut bytes = open();
    bytes.extend(data(1, b"hello", false));
    bytes.extend(data(1, b"", false));
    bytes.extend(data(1, b"", true));
    bytes.extend(ping(7));
    bytes.extend(reset(1, 5));
    bytes.extend(go_away(1));
    for size in 1..=bytes.len() {
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for piece in bytes.chunks(size) {
            frames.extend(all(&mut decoder, piece).unwrap());
        }
        let said: Vec<u8> = frames
            .iter()
            .filter_map(|frame| if let Frame::Data { bytes, .. } = frame { Some(bytes.to_vec()) } else { None })
            .flatten()
            .collect();
        assert_eq!(said, b"hello");
        assert!(matches!(frames.first(), Some(Frame::Open { stream: 1, last: false, .. })));
        let ends = frames.iter().filter(|frame| matches!(frame, Frame::Data { last: true, .. })).count();
        assert_eq!(ends, 1);
        assert_eq!(&frames[frames.len() - 3..], [Frame::Ping(7), Frame::Reset(1), Frame::GoAway]);
    }
}

#[test]
fn a_long_data_frame_is_not_waited_for() {
    let mut decoder = Decoder::default();
    let mut bytes = vec![0, 0, 0, 1, LAST, 0xFF, 0xFF, 0xFF];
    bytes.extend_from_slice(b"begin");
    let frames = all(&mut decoder, &bytes).unwrap();
    assert_eq!(frames, [Frame::Data { stream: 1, bytes: Bytes::from_static(b"begin"), last: false }]);
}

#[test]
fn what_is_not_spdy_ends_the_session() {
    assert_eq!(all(&mut Decoder::default(), &[0x80, 2, 0, 1, 0, 0, 0, 0]), Err(Error::Version(2)));
    let long = [0x80, 3, 0, 1, 0, 1, 0, 0];
    assert_eq!(all(&mut Decoder::default(), &long), Err(Error::Length(1, 65536)));
    let short = [0x80, 3, 0, 3, 0, 0, 0, 2, 0, 0];
    assert_eq!(all(&mut Decoder::default(), &short), Err(Error::Length(3, 2)));
}

#[test]
fn noise_does_no_harm() {
    let mut seed = 0x2545_F491_4F6C_DD1Du64;
    for _ in 0..2000 {
        let mut bytes = open();
        for _ in 0..8 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let place = seed as usize % bytes.len();
            bytes[place] = (seed >> 32) as u8;
        }
        let mut decoder = Decoder::default();
        // Either is right; that it ends and keeps little is the point.
        let _ = all(&mut decoder, &bytes);
        assert!(decoder.buffer.len() <= bytes.len());
    }
}
