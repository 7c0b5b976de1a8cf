//! One segment file: its name, its header, and reading it.

use crate::fs::{FileHandle, Filesystem};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes before the first record.
pub(crate) const SEGMENT_HEADER: u64 = 32;
const MAGIC: [u8; 8] = *b"SKSEG\0\x01\n";

/// Whose journal a segment belongs to: a hash of the scope's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScopeTag([u8; 16]);

impl ScopeTag {
    pub(crate) fn of(scope_name: &str) -> Self {
        let digest = Sha256::digest(scope_name.as_bytes());
        Self(digest[..16].try_into().expect("a digest has 32 bytes"))
    }
}

/// What the first bytes of a segment say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderCheck {
    /// It is a segment of this scope.
    Ours,
    /// It is a segment of another scope; its records must not be read.
    Foreign,
    /// The header is damaged or cut; its records speak for themselves.
    Damaged,
}

pub(crate) fn encode_header(tag: ScopeTag) -> [u8; SEGMENT_HEADER as usize] {
    let mut header = [0; SEGMENT_HEADER as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..24].copy_from_slice(&tag.0);
    let checksum = crc32c::crc32c(&header[..24]);
    header[24..28].copy_from_slice(&checksum.to_le_bytes());
    header
}

pub(crate) fn check_header(bytes: &[u8], tag: ScopeTag) -> HeaderCheck {
    let Some(header) = bytes.first_chunk::<{ SEGMENT_HEADER as usize }>() else {
        return HeaderCheck::Damaged;
    };
    let checksum = u32::from_le_bytes(header[24..28].try_into().expect("four bytes"));
    if header[..8] != MAGIC || crc32c::crc32c(&header[..24]) != checksum {
        return HeaderCheck::Damaged;
    }
    if header[8..24] == tag.0 {
        HeaderCheck::Ours
    } else {
        HeaderCheck::Foreign
    }
}

pub(crate) fn file_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}.seg")
}

pub(crate) fn parse_name(name: &str) -> Option<u64> {
    name.strip_suffix(".seg")
        .filter(|digits| digits.len() == 20)?
        .parse()
        .ok()
}

pub(crate) fn path(directory: &Path, first_sequence: u64) -> PathBuf {
    directory.join(file_name(first_sequence))
}

/// Lists the segments of a journal by their first sequence, rising.
pub(crate) fn list(filesystem: &dyn Filesystem, directory: &Path) -> io::Result<Vec<u64>> {
    let names = match filesystem.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut segments: Vec<u64> = names.iter().filter_map(|name| parse_name(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// Fills `buffer` from `offset`; returns how much there was.
pub(crate) fn read_fully(
    file: &dyn FileHandle,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_its_scope_and_notices_damage() {
        let (ours, other) = (ScopeTag::of("one"), ScopeTag::of("two"));
        let header = encode_header(ours);
        assert_eq!(check_header(&header, ours), HeaderCheck::Ours);
        assert_eq!(check_header(&header, other), HeaderCheck::Foreign);
        assert_eq!(check_header(&header[..20], ours), HeaderCheck::Damaged);
        for at in 0..28 {
            let mut damaged = header;
            damaged[at] ^= 0x10;
            assert_eq!(
                check_header(&damaged, ours),
                HeaderCheck::Damaged,
                "byte {at}"
            );
        }
    }

    #[test]
    fn only_names_of_twenty_digits_are_segments() {
        assert_eq!(parse_name(&file_name(42)), Some(42));
        for name in [
            "42.seg",
            "00000000000000000042.seg.tmp",
            "0000000000000000004x.seg",
            ".seg",
        ] {
            assert_eq!(parse_name(name), None);
        }
    }
}
