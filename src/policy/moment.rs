//! Dates of a policy: a day, or a day and a time; UTC unless an offset is given. A day that ends something ends it at its
//! own end.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use toml::value::{Datetime, Offset};

const DAY: i64 = 86_400;

/// A day or a second, as seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Its first second.
    start: i64,
    /// The second after its last.
    end: i64,
    text: String,
}

impl Moment {
    /// True if it is still to come.
    pub fn is_ahead(&self, now: i64) -> bool {
        now < self.start
    }
    /// True if it has passed; as in TUF, what expires at a second is expired in that second.
    pub fn has_passed(&self, now: i64) -> bool {
        now >= self.end
    }
    /// True if nothing lies between the two: from this one on, until the other one.
    pub(super) fn follows(&self, last: &Moment) -> bool {
        self.start >= last.end
    }
    /// The moment of a TOML date.
    fn of(datetime: Datetime) -> Option<Moment> {
        let date = datetime.date?;
        let day = days(i64::from(date.year), i64::from(date.month), i64::from(date.day))? * DAY;
        let (start, end) = match datetime.time {
            None => (day, day + DAY),
            Some(time) => {
                let seconds =
                    i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
                let offset = match datetime.offset {
                    None | Some(Offset::Z) => 0,
                    Some(Offset::Custom { minutes }) => i64::from(minutes) * 60,
                };
                (day + seconds - offset, day + seconds - offset)
            }
        };
        Some(Moment { start, end, text: datetime.to_string() })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Moment::of(Datetime::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("expected a date without quotes, as in 2027-12-31"))
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` for one that does not exist.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(0..=9999).contains(&year) || !(1..=longest).contains(&day) {
        return None;
    }
    // years begin in March, so that the day that comes and goes is the last one
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment(text: &str) -> Option<Moment> {
        #[derive(Deserialize)]
        struct Holder {
            at: Moment,
        }
        toml::from_str::<Holder>(&format!("at = {text}")).ok().map(|holder| holder.at)
    }

    #[test]
    fn days_and_seconds() {
        let day = moment("2026-11-26").unwrap();
        assert_eq!((day.start, day.end), (1_795_651_200, 1_795_651_200 + DAY));
        assert!(!day.has_passed(day.end - 1) && day.has_passed(day.end) && !day.is_ahead(day.start));
        let second = moment("1970-01-01T00:00:10Z").unwrap();
        assert!(second.has_passed(10) && !second.has_passed(9));
        assert_eq!(moment("1970-01-01T02:00:00+02:00").unwrap().start, 0);
        assert_eq!(moment("1970-01-01T00:00:00").unwrap().start, 0);
        for text in ["2026-02-30", "2026-13-01", "2026-00-10", "12:00:00", "\"2026-01-01\"", "2026"] {
            assert_eq!(moment(text), None, "{text}");
        }
        assert!(moment("2028-02-29").is_some() && moment("2100-02-29").is_none());
    }

    proptest! {
        #[test]
        fn the_next_day_is_the_next_number(year in 1i64..9999, month in 1i64..=12, day in 1i64..=31) {
            if let Some(number) = days(year, month, day) {
                let next = days(year, month, day + 1).or_else(|| days(year, month + 1, 1)).or_else(|| days(year + 1, 1, 1));
                prop_assert_eq!(next, Some(number + 1));
            }
        }
        #[test]
        fn no_text_is_too_odd(text in "[0-9TZ:+. -]{0,24}") {
            moment(&text);
        }
    }
}
