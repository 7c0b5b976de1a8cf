//! Which boot of the machine this is.
//!
//! What a process wrote without fsync survives the process but not the machine. Comparing boots
//! tells the two apart without paying an fsync per write.

use sha2::{Digest as _, Sha256};

/// Returns eight hex characters that differ between boots, and between machines.
///
/// Linux has a random boot id; elsewhere the boot time stands in, which may drift by a second and
/// then looks like another boot, and where even that is unknown every process is a boot of its own.
/// Every reader treats "another boot" as the safe case.
#[must_use]
pub(crate) fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .or_else(|_| sysinfo::System::boot_time().map(|seconds| seconds.to_string()))
        .unwrap_or_else(|_| uuid::Uuid::new_v4().to_string());
    hex::encode(&Sha256::digest(text.trim().as_bytes())[..4])
}
