//! Preloaded into the service (`LD_PRELOAD`, Linux with glibc), it stands in for the C library's functions that change
//! files, and watches the database of `DISK_DATABASE`: the file, its `-wal`, `-shm` and `-journal`, and their folder.
//!
//! - `journal`: what was written, synced and sent to clients, in order, into the file `DISK_JOURNAL`, to which each start of
//!   the program appends; and a kill between the write of a commit and its sync
//! - `faults`: errors on demand, as the file `DISK_CONTROL` has them at that moment
//! - `files`: which descriptors are watched
//!
//! Every call ends in the system call itself. What goes past the C library is not seen: writes to mapped memory (which
//! the service does to `-shm` alone, and that need not survive) and system calls made directly.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(
    clippy::missing_safety_doc,
    reason = "each function has the contract of the C library's function of that name"
)]

use libc::{c_char, c_int, c_long, c_void, iovec, mode_t, off_t, size_t, ssize_t};

mod faults;
mod files;
mod journal;

use files::{File, Kind};
use journal::Event;

/// A call that returns a number of bytes, by the arguments of `pwrite`.
type Write = unsafe fn(c_int, *const c_void, size_t, off_t) -> ssize_t;

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { open_file(libc::AT_FDCWD, path, flags, mode) }
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { open_file(libc::AT_FDCWD, path, flags, mode) }
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { open_file(folder, path, flags, mode) }
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { open_file(folder, path, flags, mode) }
}

unsafe fn open_file(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the path is the caller's.
    let kind = unsafe { files::kind_of(path) };
    let open = || {
        let flags = flags | libc::O_LARGEFILE;
        // SAFETY: the arguments are the caller's.
        unsafe { libc::syscall(libc::SYS_openat, folder, path, flags, c_long::from(mode)) as c_int }
    };
    let Some(kind) = kind else { return open() };
    let _order = journal::order();
    // SAFETY: the path is the caller's.
    let is_new =
        flags & libc::O_CREAT != 0 && unsafe { libc::syscall(libc::SYS_faccessat, folder, path, libc::F_OK) } != 0;
    if is_new && let Some(error) = faults::on_write(kind) {
        return fail(error) as c_int;
    }
    let fd = open();
    if fd >= 0 {
        let file = files::opened(fd, kind, is_new);
        if is_new {
            journal::append(Event::Create, file, 0, &[]);
        }
        if flags & libc::O_TRUNC != 0 {
            journal::append(Event::Truncate, file, 0, &[]);
        }
    }
    fd
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    files::closed(fd);
    // SAFETY: the descriptor is the caller's.
    unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    let Some(file) = files::of(fd) else {
        // SAFETY: the arguments are the caller's.
        return unsafe {
            journal::sent(fd, data, length);
            libc::syscall(libc::SYS_write, fd, data, length) as ssize_t
        };
    };
    // SAFETY: the descriptor is the caller's.
    let offset = unsafe { libc::syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) };
    // SAFETY: the arguments are the caller's.
    unsafe { write_file(fd, file, data, length, offset, write_here) }
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, data: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the arguments are the caller's.
    unsafe { pwrite64(fd, data, length, offset) }
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, data: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the arguments are the caller's.
    unsafe {
        match files::of(fd) {
            None => write_at(fd, data, length, offset),
            Some(file) => write_file(fd, file, data, length, offset, write_at),
        }
    }
}

unsafe fn write_here(fd: c_int, data: *const c_void, length: size_t, _: off_t) -> ssize_t {
    // SAFETY: the arguments are the caller's.
    unsafe { libc::syscall(libc::SYS_write, fd, data, length) as ssize_t }
}

unsafe fn write_at(fd: c_int, data: *const c_void, length: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the arguments are the caller's.
    unsafe { libc::syscall(libc::SYS_pwrite64, fd, data, length, offset) as ssize_t }
}

/// Writes, or fails as told: then half of it is written, as a full or broken disk may leave it.
unsafe fn write_file(
    fd: c_int,
    file: File,
    data: *const c_void,
    length: size_t,
    offset: off_t,
    write: Write,
) -> ssize_t {
    let _order = journal::order();
    faults::remember(fd, file, offset, length);
    let error = faults::on_write(file.kind);
    let length = if error.is_some() { length / 2 } else { length };
    // SAFETY: the arguments are the caller's, with at most the caller's length.
    let written = unsafe { write(fd, data, length, offset) };
    if let Ok(written) = usize::try_from(written) {
        // SAFETY: the caller's data has at least as many bytes as were written of it.
        let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), written) };
        journal::append(Event::Write, file, offset.cast_unsigned(), data);
    }
    error.map_or(written, fail)
}

/// As the C library's. The service writes to sockets with it, never to a watched file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if files::of(fd).is_some() {
        journal::give_up("writev to a watched file");
    }
    // SAFETY: the arguments are the caller's; the head of an answer is in the first part.
    unsafe {
        if count > 0 {
            journal::sent(fd, (*parts).iov_base, (*parts).iov_len);
        }
        libc::syscall(libc::SYS_writev, fd, parts, count) as ssize_t
    }
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn send(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    // SAFETY: the arguments are the caller's.
    unsafe {
        journal::sent(fd, data, length);
        libc::syscall(libc::SYS_sendto, fd, data, length, flags, 0, 0) as ssize_t
    }
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fsync)
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fdatasync)
}

/// A sync has two events, for what is written while it runs may have missed it.
fn sync(fd: c_int, call: c_long) -> c_int {
    // SAFETY: the descriptor is the caller's.
    let sync = || unsafe { libc::syscall(call, fd) as c_int };
    let Some(file) = files::of(fd) else { return sync() };
    {
        let _order = journal::order();
        journal::append(Event::SyncBegin, file, 0, &[]);
        if let Some(error) = faults::on_sync(file.kind) {
            faults::drop_unsynced(fd, file);
            journal::append(Event::SyncFailed, file, 0, &[]);
            return fail(error) as c_int;
        }
    }
    let synced = sync();
    if synced == 0 {
        let _order = journal::order();
        journal::append(Event::SyncEnd, file, 0, &[]);
        faults::forget(file);
    }
    synced
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { ftruncate64(fd, length) }
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    // SAFETY: the arguments are the caller's.
    let truncate = || unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) as c_int };
    let Some(file) = files::of(fd) else { return truncate() };
    let _order = journal::order();
    if let Some(error) = faults::on_write(file.kind) {
        return fail(error) as c_int;
    }
    let truncated = truncate();
    if truncated == 0 {
        journal::append(Event::Truncate, file, length.cast_unsigned(), &[]);
    }
    truncated
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the path is the caller's.
    let unlink = || unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0) as c_int };
    // SAFETY: the path is the caller's.
    let Some(kind) = (unsafe { files::kind_of(path) }) else {
        return unlink();
    };
    let _order = journal::order();
    let unlinked = unlink();
    if unlinked == 0 {
        journal::append(Event::Unlink, files::newest(kind), 0, &[]);
    }
    unlinked
}

/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    let _order = journal::order();
    // SAFETY: the arguments are the caller's.
    let linked = unsafe { libc::syscall(libc::SYS_linkat, from_folder, from, to_folder, to, flags) as c_int };
    // SAFETY: the paths are the caller's.
    let (from, to) = unsafe { (files::kind_of(from), files::kind_of(to)) };
    if linked == 0
        && let Some(kind) = to
    {
        if (from, kind) != (Some(Kind::Unfinished), Kind::Database) {
            journal::give_up("a watched file has a second name");
        }
        let unfinished = files::newest(Kind::Unfinished).number;
        journal::append(Event::Link, files::made(kind), u64::from(unfinished), &[]);
    }
    linked
}

/// A watched file is never renamed, or the journal would have to know.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the paths are the caller's.
    unsafe {
        if files::kind_of(from).is_some() || files::kind_of(to).is_some() {
            journal::give_up("a watched file is renamed");
        }
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0) as c_int
    }
}

/// Fails as a system call does.
fn fail(error: c_int) -> ssize_t {
    // SAFETY: the C library's errno is there in every thread.
    unsafe { *libc::__errno_location() = error };
    -1
}
