//! Ctrl-C: a run saves what it has and ends, within two seconds whatever it is doing. SIGUSR1, a batch system's warning that the
//! time is nearly up: the same without haste.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Exit code of a process that was asked to stop: 128 + the number of SIGINT, as shells have it.
pub const EXIT_CODE: u8 = 130;

/// What takes longer than this to come to a place where it can stop is stopped where it is. Nothing is lost by that: files
/// appear whole or not at all.
const PATIENCE: Duration = Duration::from_millis(1500);

/// From now on SIGINT, SIGTERM and SIGHUP ask the run to end; a second one ends it at once. SIGUSR1 asks as well, but a step of
/// training, a shard or an analysis that is under way may take its time: who sends it says so long before the end.
///
/// # Errors
/// [`Error::Io`] when the system does not let signals be caught.
pub fn listen() -> Result<()> {
    let exit = || std::process::exit(EXIT_CODE.into());
    let handler = move || {
        if ASKED.swap(true, Ordering::SeqCst) {
            exit();
        }
        eprintln!("kinostate: stopping; what is finished is kept");
        std::thread::spawn(move || {
            std::thread::sleep(PATIENCE);
            exit();
        });
    };
    ctrlc::set_handler(handler)
        .map_err(|e| Error::io("signals")(std::io::Error::other(e.to_string())))?;
    listen_to_warnings()
}

/// Lets SIGUSR1 ask.
#[cfg(unix)]
fn listen_to_warnings() -> Result<()> {
    extern "C" fn warned(_: libc::c_int) {
        ASKED.store(true, Ordering::SeqCst);
    }
    // SAFETY: the handler stores to an atomic and does nothing else; the structure is valid when zeroed.
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = warned as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut())
    };
    match done {
        0 => Ok(()),
        _ => Err(Error::io("signals")(std::io::Error::last_os_error())),
    }
}

#[cfg(not(unix))]
fn listen_to_warnings() -> Result<()> {
    Ok(())
}

/// Asks the run to end, as a first Ctrl-C does: for whoever catches signals himself.
pub fn ask() {
    ASKED.store(true, Ordering::SeqCst);
}

/// Forgets that it was asked, so that the next run can begin: once the one that was asked has ended.
pub fn forget() {
    ASKED.store(false, Ordering::SeqCst);
}

/// Whether the user asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// To be called between pieces of work.
///
/// # Errors
/// [`Error::Interrupted`] once the user asked to stop.
pub fn check() -> Result<()> {
    match asked() {
        true => Err(Error::Interrupted(
            "what is finished is kept; the same command goes on".into(),
        )),
        false => Ok(()),
    }
}
