//! The few calls of the C library that no safe crate offers. The only module with `unsafe`; it knows nothing of
//! the rest of the program.

#![allow(unsafe_code, reason = "this is the one place for it")]

/// Gives the pages of freed memory back to the kernel. The allocator of glibc keeps what lies between pieces
/// still in use until it is told to; others do this by themselves, and there it does nothing.
pub fn release_freed_memory() {
    // SAFETY: malloc_trim(3) takes the locks of the allocator itself and touches only memory that is free.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}
