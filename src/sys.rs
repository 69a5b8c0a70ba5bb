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

/// Lets go of the pages of the program's own code. They stay in the page cache and are mapped again by the next
/// call into them; what ran once, at the start, is no longer counted as the process's own.
pub fn release_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let Ok(program) = std::env::current_exe() else { return };
    for line in maps.lines().filter(|line| line.ends_with(&*program.to_string_lossy())) {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some("r-xp")) = (fields.next(), fields.next()) else { continue };
        let ends =
            range.split_once('-').map(|(low, high)| (usize::from_str_radix(low, 16), usize::from_str_radix(high, 16)));
        let Some((Ok(low), Ok(high))) = ends else { continue };
        // SAFETY: a private mapping of a file that nobody writes to through it: the kernel reads its pages
        // again from the file, whose bytes are the same for as long as it is mapped as a running program.
        unsafe {
            libc::madvise(low as *mut libc::c_void, high.saturating_sub(low), libc::MADV_DONTNEED);
        }
    }
}
