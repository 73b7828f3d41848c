//! Amounts of CPU and memory as Kubernetes writes them: `500m`, `2`, `0.5`, `8Gi`, `64M`, `1e9`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// Processors, in thousandths. As JSON a text, `500m` or `2`; a number is read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu(pub u64);

/// Memory, in bytes. As JSON a text, `8Gi`; a number is read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Memory(pub u64);

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no amount of {what}: write {example}")]
pub struct QuantityError {
    text: String,
    what: &'static str,
    example: &'static str,
}

/// The suffixes of powers of ten, with their exponents.
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
/// The suffixes of powers of 1,024.
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// The most digits of a number: all that such amounts need.
const DIGITS: usize = 24;

/// A quantity in thousandths of its unit, so that the smallest that matters (`1m` of a CPU) is whole; what is finer is rounded
/// up, as the API server does. None where the text is none, or below zero, or has more than 24 digits.
#[must_use]
pub fn thousandths(text: &str) -> Option<u128> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > DIGITS || fraction.contains('.') {
        return None;
    }
    let mantissa: u128 = digits.parse().ok()?;
    let (exponent, factor) = match BINARY.iter().position(|binary| *binary == suffix) {
        Some(power) => (0, 1_u128 << (10 * (power + 1))),
        None => (decimal(suffix)?, 1),
    };
    let exponent = exponent + 3 - i32::try_from(fraction.len()).ok()?;
    let scaled = mantissa.checked_mul(factor)?;
    let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
    if exponent < 0 { Some(scaled.div_ceil(power)) } else { scaled.checked_mul(power) }
}

/// The same where it is an amount that can be had.
fn bounded(text: &str) -> Option<u64> {
    thousandths(text).and_then(|n| u64::try_from(n).ok())
}

/// The power of ten that a suffix stands for.
fn decimal(suffix: &str) -> Option<i32> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some(*exponent);
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    exponent.parse().ok().filter(|n: &i32| n.abs() <= 18)
}

impl FromStr for Cpu {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError { text: text.chars().take(40).collect(), what: "CPU", example: "2, 0.5 or 500m" };
        bounded(text).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for Memory {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError { text: text.chars().take(40).collect(), what: "memory", example: "8Gi or 512Mi" };
        bounded(text).map(|n| Self(n.div_ceil(1_000))).ok_or_else(wrong)
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000) { write!(f, "{}", self.0 / 1_000) } else { write!(f, "{}m", self.0) }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = BINARY.iter().enumerate().rev().find(|(power, _)| self.0 > 0 && self.0.is_multiple_of(1 << (10 * (power + 1))));
        match fits {
            Some((power, suffix)) => write!(f, "{}{suffix}", self.0 >> (10 * (power + 1))),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A text or a number, as it is written.
fn written<'de, D: Deserializer<'de>>(de: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(de)? {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        other => Err(de::Error::custom(format!("{other} is no quantity: write 2, 500m or 8Gi"))),
    }
}

impl Serialize for Cpu {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        ser.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cpu {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        written(de)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, ser: S) -> Result<S::Ok, S::Error> {
        ser.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        written(de)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_thousandths() {
        for (text, amount) in [
            ("0", Some(0)),
            ("500m", Some(500)),
            (".5", Some(500)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("2k", Some(2_000_000)),
            ("1e3", Some(1_000_000)),
            ("1E", Some(1_000_000_000_000_000_000_000)),
            ("100n", Some(1)),
            ("1.0001", Some(1_001)),
            ("", None),
            ("-1", None),
            ("1g", None),
            ("1 Gi", None),
            ("1.2.3", None),
            ("many", None),
            ("1e99", None),
            ("9999999999999999999999999", None),
        ] {
            assert_eq!(thousandths(text), amount, "{text}");
        }
    }

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        for (text, thousandths, shown) in [
            ("2", 2_000, "2"),
            ("0.5", 500, "500m"),
            ("1500m", 1_500, "1500m"),
            ("1.0001", 1_001, "1001m"),
            ("2k", 2_000_000, "2000"),
            ("0", 0, "0"),
        ] {
            let cpu: Cpu = text.parse().unwrap();
            assert_eq!((cpu, cpu.to_string().as_str()), (Cpu(thousandths), shown), "{text}");
        }
        for (text, bytes, shown) in [
            ("8Gi", 8 << 30, "8Gi"),
            ("1.5Gi", 3 << 29, "1536Mi"),
            ("64M", 64_000_000, "62500Ki"),
            ("1e9", 1_000_000_000, "1000000000"),
            ("1E3", 1_000, "1000"),
            ("128974848000m", 128_974_848, "123Mi"),
            ("7", 7, "7"),
        ] {
            let memory: Memory = text.parse().unwrap();
            assert_eq!((memory, memory.to_string().as_str()), (Memory(bytes), shown), "{text}");
        }
        for wrong in ["", "-1", "+1", "1.2.3", "8gi", "8 Gi", "Gi", ".", "1e99", "99999999999999999999", "9Ei", "0x10"] {
            assert!(wrong.parse::<Memory>().is_err(), "{wrong}");
        }
        assert_eq!(serde_json::from_str::<Cpu>("0.5").unwrap(), Cpu(500));
        assert_eq!(serde_json::from_str::<Memory>("1024").unwrap(), Memory(1024));
        assert!(serde_json::from_str::<Cpu>("true").is_err());
    }
}
