//! Dates as Python's `strftime` writes them, in UTC: templates put today's date into the prompt.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// 1 January 1970 was a Thursday.
const FIRST_DAY: u64 = 3;

struct Date {
    year: u64,
    /// From 0.
    month: usize,
    day: u64,
    /// From 0.
    day_of_year: u64,
    /// From 0, Monday.
    weekday: usize,
    second_of_day: u64,
}

/// Writes a time; what a format asks for that is not known stays as it is.
pub(super) fn format(time: SystemTime, format: &str) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let date = Date::of(seconds);
    let mut written = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            written.push(letter);
            continue;
        }
        match letters.next() {
            // Numbers without leading zeros.
            Some('-') => {
                let letter = letters.next().unwrap_or('%');
                let field = date.field(letter, seconds).unwrap_or_default();
                let short = field.trim_start_matches('0');
                written.push_str(if short.is_empty() && !field.is_empty() { "0" } else { short });
            }
            Some(letter) => match date.field(letter, seconds) {
                Some(field) => written.push_str(&field),
                None => written.extend(['%', letter]),
            },
            None => written.push('%'),
        }
    }
    written
}

impl Date {
    fn of(seconds: u64) -> Self {
        let mut days = seconds / 86_400;
        let weekday = usize::try_from((days + FIRST_DAY) % 7).unwrap_or_default();
        let mut year = 1970;
        while days >= year_days(year) {
            days -= year_days(year);
            year += 1;
        }
        let (day_of_year, mut month) = (days, 0);
        while days >= month_days(year, month) {
            days -= month_days(year, month);
            month += 1;
        }
        Self { year, month, day: days + 1, day_of_year, weekday, second_of_day: seconds % 86_400 }
    }

    fn field(&self, letter: char, seconds: u64) -> Option<String> {
        let (hour, minute, second) = (self.second_of_day / 3600, self.second_of_day / 60 % 60, self.second_of_day % 60);
        let (day, month) = (DAYS[self.weekday], MONTHS[self.month]);
        Some(match letter {
            'Y' => self.year.to_string(),
            'y' => format!("{:02}", self.year % 100),
            'm' => format!("{:02}", self.month + 1),
            'B' => month.to_owned(),
            'b' | 'h' => month[..3].to_owned(),
            'd' => format!("{:02}", self.day),
            'e' => format!("{:2}", self.day),
            'j' => format!("{:03}", self.day_of_year + 1),
            'A' => day.to_owned(),
            'a' => day[..3].to_owned(),
            'u' => (self.weekday + 1).to_string(),
            'w' => ((self.weekday + 1) % 7).to_string(),
            'H' => format!("{hour:02}"),
            'I' => format!("{:02}", (hour + 11) % 12 + 1),
            'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'M' => format!("{minute:02}"),
            'S' => format!("{second:02}"),
            'f' => "000000".to_owned(),
            's' => seconds.to_string(),
            'F' => format!("{}-{:02}-{:02}", self.year, self.month + 1, self.day),
            'T' => format!("{hour:02}:{minute:02}:{second:02}"),
            'Z' | 'z' => String::new(),
            '%' => "%".to_owned(),
            _ => return None,
        })
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_days(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_days(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_python_does() {
        let at = |seconds, form| format(UNIX_EPOCH + Duration::from_secs(seconds), form);
        assert_eq!(at(1_770_091_506, "%d %b %Y"), "03 Feb 2026");
        assert_eq!(
            at(1_770_091_506, "%A, %B %-d, %Y %H:%M:%S %I%p %j %q %%"),
            "Tuesday, February 3, 2026 04:05:06 04AM 034 %q %"
        );
        assert_eq!(at(951_782_400, "%Y-%m-%d %a"), "2000-02-29 Tue");
        assert_eq!(at(0, "%F %T"), "1970-01-01 00:00:00");
        assert_eq!(at(4_102_444_799, "%F"), "2099-12-31");
    }
}
