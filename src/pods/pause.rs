//! The program that holds a pod's network, and the image that it is in. It blocks all signals, waits for
//! them, reaps what ends in a shared process namespace, and ends by SIGTERM or SIGINT. It is small enough
//! to be kept as machine code: one loop of three system calls, of which the listing is
//!
//! ```text
//!       rt_sigprocmask(SIG_BLOCK, &all, NULL, 8)
//! wait: n = rt_sigtimedwait(&all, NULL, NULL, 8)
//!       if n == SIGTERM or n == SIGINT: exit(0)
//! reap: if wait4(-1, NULL, WNOHANG, NULL) > 0: goto reap
//!       goto wait
//! all:  64 bits, all ones
//! ```

use bytes::Bytes;

use crate::engine::{self, Engine, ImageRef};

/// The image; another program gets another number.
const IMAGE: &str = "k2d/pause:1";
/// Where the program is loaded.
const BASE: u64 = 0x0040_0000;

/// For x86-64.
const X86_64: [u8; 103] = [
    0xb8, 0x0e, 0x00, 0x00, 0x00, 0x31, 0xff, 0x48, 0x8d, 0x35, 0x51, 0x00, 0x00, 0x00, 0x31, 0xd2, 0x41, 0xba, 0x08,
    0x00, 0x00, 0x00, 0x0f, 0x05, 0xb8, 0x80, 0x00, 0x00, 0x00, 0x48, 0x8d, 0x3d, 0x3b, 0x00, 0x00, 0x00, 0x31, 0xf6,
    0x31, 0xd2, 0x41, 0xba, 0x08, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x83, 0xf8, 0x0f, 0x74, 0x21, 0x83, 0xf8, 0x02, 0x74,
    0x1c, 0xb8, 0x3d, 0x00, 0x00, 0x00, 0xbf, 0xff, 0xff, 0xff, 0xff, 0x31, 0xf6, 0xba, 0x01, 0x00, 0x00, 0x00, 0x45,
    0x31, 0xd2, 0x0f, 0x05, 0x85, 0xc0, 0x7f, 0xe6, 0xeb, 0xc2, 0xb8, 0x3c, 0x00, 0x00, 0x00, 0x31, 0xff, 0x0f, 0x05,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

/// For 64-bit ARM.
const AARCH64: [u8; 120] = [
    0xe8, 0x10, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x41, 0x03, 0x00, 0x10, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x01, 0x80,
    0xd2, 0x01, 0x00, 0x00, 0xd4, 0x28, 0x11, 0x80, 0xd2, 0xa0, 0x02, 0x00, 0x10, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00,
    0x80, 0xd2, 0x03, 0x01, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0x1f, 0x3c, 0x00, 0x71, 0x80, 0x01, 0x00, 0x54, 0x1f,
    0x08, 0x00, 0x71, 0x40, 0x01, 0x00, 0x54, 0x88, 0x20, 0x80, 0xd2, 0x00, 0x00, 0x80, 0x92, 0x01, 0x00, 0x80, 0xd2,
    0x22, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0x1f, 0x00, 0x00, 0x71, 0x2c, 0xff, 0xff,
    0x54, 0xee, 0xff, 0xff, 0x17, 0xa8, 0x0b, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

/// For 32-bit ARM (ARMv5 and later).
const ARM: [u8; 120] = [
    0xaf, 0x70, 0xa0, 0xe3, 0x00, 0x00, 0xa0, 0xe3, 0x60, 0x10, 0x8f, 0xe2, 0x00, 0x20, 0xa0, 0xe3, 0x08, 0x30, 0xa0,
    0xe3, 0x00, 0x00, 0x00, 0xef, 0xb1, 0x70, 0xa0, 0xe3, 0x4c, 0x00, 0x8f, 0xe2, 0x00, 0x10, 0xa0, 0xe3, 0x00, 0x20,
    0xa0, 0xe3, 0x08, 0x30, 0xa0, 0xe3, 0x00, 0x00, 0x00, 0xef, 0x0f, 0x00, 0x50, 0xe3, 0x0a, 0x00, 0x00, 0x0a, 0x02,
    0x00, 0x50, 0xe3, 0x08, 0x00, 0x00, 0x0a, 0x72, 0x70, 0xa0, 0xe3, 0x00, 0x00, 0xe0, 0xe3, 0x00, 0x10, 0xa0, 0xe3,
    0x01, 0x20, 0xa0, 0xe3, 0x00, 0x30, 0xa0, 0xe3, 0x00, 0x00, 0x00, 0xef, 0x00, 0x00, 0x50, 0xe3, 0xf7, 0xff, 0xff,
    0xca, 0xec, 0xff, 0xff, 0xea, 0x01, 0x70, 0xa0, 0xe3, 0x00, 0x00, 0xa0, 0xe3, 0x00, 0x00, 0x00, 0xef, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

/// The name of the image, which is made where it is not there. No registry is asked.
///
/// # Errors
/// The engine fails, or the machine is of an architecture that there is no program for.
pub(super) async fn image(engine: &Engine) -> engine::Result<String> {
    if engine.image_exists(IMAGE).await? {
        return Ok(IMAGE.to_owned());
    }
    let program = program(std::env::consts::ARCH)
        .ok_or_else(|| engine::Error::Unsupported(format!("no pause program for {}", std::env::consts::ARCH)))?;
    let reference = ImageRef::parse(IMAGE).map_err(|error| engine::Error::InvalidArgument(error.to_string()))?;
    engine.import_image(&reference, Bytes::from(archive(&program)), &["ENTRYPOINT [\"/pause\"]"]).await?;
    Ok(IMAGE.to_owned())
}

/// An ELF file of one segment.
fn program(architecture: &str) -> Option<Vec<u8>> {
    let (wide, machine, flags, code): (bool, u16, u32, &[u8]) = match architecture {
        "x86_64" => (true, 62, 0, &X86_64),
        "aarch64" => (true, 183, 0, &AARCH64),
        // EABI version 5.
        "arm" => (false, 40, 0x0500_0000, &ARM),
        _ => return None,
    };
    let (header, entry) = if wide { (64u16, 56u16) } else { (52, 32) };
    let start = u64::from(header) + u64::from(entry);
    let size = start + code.len() as u64;
    let mut out = Vec::with_capacity(256);
    out.extend([0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, 1, 1, 0]);
    out.extend([0; 8]);
    let half = |out: &mut Vec<u8>, value: u16| out.extend(value.to_le_bytes());
    let word = |out: &mut Vec<u8>, value: u32| out.extend(value.to_le_bytes());
    let address = |out: &mut Vec<u8>, value: u64| {
        let bytes = value.to_le_bytes();
        out.extend(bytes.iter().take(if wide { 8 } else { 4 }));
    };
    half(&mut out, 2);
    half(&mut out, machine);
    word(&mut out, 1);
    address(&mut out, BASE + start);
    address(&mut out, header.into());
    address(&mut out, 0);
    word(&mut out, flags);
    for value in [header, entry, 1, if wide { 64 } else { 40 }, 0, 0] {
        half(&mut out, value);
    }
    // One loadable segment, readable and executable.
    word(&mut out, 1);
    if wide {
        word(&mut out, 5);
    }
    for value in [0, BASE, BASE, size, size] {
        address(&mut out, value);
    }
    if !wide {
        word(&mut out, 5);
    }
    address(&mut out, 0x1000);
    out.extend(code);
    Some(out)
}

/// A tar (ustar) with the program as `/pause`.
fn archive(program: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    let mut put = |at: usize, text: &[u8]| {
        if let Some(place) = header.get_mut(at..at + text.len()) {
            place.copy_from_slice(text);
        }
    };
    put(0, b"pause");
    put(100, b"0000755\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", program.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    if let Some(place) = header.get_mut(148..156) {
        place.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let mut out = header.to_vec();
    out.extend(program);
    out.resize(out.len().next_multiple_of(512) + 1024, 0);
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_program_waits_and_ends_when_asked() {
        let Some(program) = program(std::env::consts::ARCH) else { return };
        let path = std::env::temp_dir().join(format!("k2d-pause-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, program).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let mut child = Command::new(&path).spawn().expect("started");
        let pid = rustix::process::Pid::from_child(&child);
        // A signal that it does not mind: it goes on, and then ends well.
        rustix::process::kill_process(pid, rustix::process::Signal::USR1).expect("signalled");
        assert!(child.try_wait().expect("asked").is_none());
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
        let status = child.wait().expect("ended");
        std::fs::remove_file(&path).expect("removed");
        // The signal may come before the program blocks it.
        assert!(status.success() || status.signal().is_some(), "{status}");
    }

    #[test]
    fn there_is_a_program_for_each_usual_board() {
        for architecture in ["x86_64", "aarch64", "arm"] {
            let program = program(architecture).expect("a program");
            assert!(program.len() < 300);
            assert_eq!(archive(&program).len() % 512, 0);
        }
    }
}
