//! Amounts as Kubernetes writes them: `500m`, `64Gi`, `1e3`.

/// An amount in thousandths of its unit, so that the smallest that matters (`1m` of a CPU) is whole.
///
/// What is finer is rounded up, as the API server does.
pub(super) fn thousandths(text: &str) -> Option<u128> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 24 {
        return None;
    }
    // The value is digits × 10^-scale × factor; one thousandth more is 10^3.
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, power) = unit(suffix)?;
    let power = power + 3 - i32::try_from(fraction.len()).ok()?;
    let scaled = digits.checked_mul(factor)?;
    let ten = 10_u128.checked_pow(power.unsigned_abs())?;
    if power >= 0 { scaled.checked_mul(ten) } else { Some(scaled.div_ceil(ten)) }
}

/// The factor and the power of ten that a suffix stands for.
fn unit(suffix: &str) -> Option<(u128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|power| power.abs() <= 18)?),
    })
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        for (text, amount) in [
            ("0", Some(0)),
            ("1", Some(1_000)),
            ("500m", Some(500)),
            ("0.5", Some(500)),
            (".5", Some(500)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("64Gi", Some(68_719_476_736_000)),
            ("2k", Some(2_000_000)),
            ("1e3", Some(1_000_000)),
            ("1E", Some(1_000_000_000_000_000_000_000)),
            ("100n", Some(1)),
            ("1.0001", Some(1_001)),
            ("", None),
            ("-1", None),
            ("1g", None),
            ("1.2.3", None),
            ("many", None),
            ("1e99", None),
            ("9999999999999999999999999", None),
        ] {
            assert_eq!(thousandths(text), amount, "{text}");
        }
    }
}
