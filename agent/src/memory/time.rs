//! Times as the store holds them: microseconds since 1970, so that no two commits of a process share one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the microseconds since 1970; negative before, and the ends of the range for what lies beyond.
pub(super) fn micros(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
    }
}

/// Returns the present.
pub(super) fn now() -> i64 {
    micros(SystemTime::now())
}

/// Returns a time that was stored.
///
/// # Errors
/// It lies beyond what this system can count.
pub(super) fn time(micros: i64) -> rusqlite::Result<SystemTime> {
    let span = Duration::from_micros(micros.unsigned_abs());
    let time = if micros < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
    time.ok_or(rusqlite::Error::IntegralValueOutOfRange(0, micros))
}
