//! File systems that a writer had better not be on.
//!
//! On a network the locks may be advisory among machines or absent, an fsync may reach a server's
//! cache only, and another machine's writes show late: two writers can then meet, and what was
//! acknowledged can be lost.

use std::path::Path;

use crate::error::{Error, Result};

/// The name of the network file system with this magic number (`statfs`'s `f_type`), if it is one.
pub fn by_magic(magic: u64) -> Option<&'static str> {
    // As in linux/magic.h and in the file systems' own sources.
    Some(match magic & 0xffff_ffff {
        0x6969 => "NFS",
        0xff53_4d42 => "SMB (cifs)",
        0xfe53_4d42 => "SMB 2",
        0x517b => "SMB (smbfs)",
        0x0102_1997 => "9P",
        0x6573_5546 => "FUSE",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x1983_0326 => "BeeGFS",
        0x1116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x0131_11a8 => "iBRIX",
        0xaad7_aaea => "PanFS",
        0x2030_3528 => "OrangeFS",
        0x0125_5366 | 0x786f_4256 => "a folder shared by a virtual machine",
        _ => return None,
    })
}

/// Refuses a folder on a network file system.
///
/// # Errors
/// [`Error::InvalidArgument`] that names the file system and what works.
pub fn refuse(folder: &Path) -> Result<()> {
    let Some(name) = of(folder) else { return Ok(()) };
    Err(Error::invalid(format!(
        "{} is on a network file system ({name}), where a lock may keep nobody out and an fsync may \
         not reach a disk; put the database on a local disk, use an object store (\"s3://...\"), or \
         open it with network_filesystem=True when you know that only one machine writes and that \
         fsync is honoured there",
        folder.display()
    )))
}

#[cfg(target_os = "linux")]
fn of(folder: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(folder).ok()?;
    // A magic number of 32 bits, kept in a word of any sign.
    by_magic(found.f_type as u64)
}

#[cfg(not(target_os = "linux"))]
fn of(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        let network = [0x6969, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x6573_5546, 0x00c3_6400];
        for magic in network {
            assert!(by_magic(magic).is_some(), "{magic:x}");
            // As a machine with a signed word of 32 bits has it.
            let signed = i64::from(magic as u32 as i32) as u64;
            assert_eq!(by_magic(signed), by_magic(magic));
        }
        // ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS, bcachefs.
        let local = [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
            0xf2f5_2010,
            0xca45_1a4e,
        ];
        for magic in local {
            assert_eq!(by_magic(magic), None, "{magic:x}");
        }
    }

    #[test]
    fn a_folder_of_this_machine_passes() {
        let dir = tempfile::tempdir().expect("a folder");
        refuse(dir.path()).expect("a local file system");
    }
}
