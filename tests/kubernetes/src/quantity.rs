//! Quantities such as `1Gi` and `500m`, as far as they must be compared.

/// The value of a quantity in thousandths of its unit; `None` for what is no quantity.
pub(crate) fn milli(text: &str) -> Option<i128> {
    const SUFFIXES: [(&str, i128); 13] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("Ei", 1 << 60),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000),
        ("", 1),
    ];
    if let Some(number) = text.strip_suffix('m') {
        return number.parse().ok();
    }
    let (number, unit) =
        SUFFIXES.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(value * unit * 1_000 / 10_i128.pow(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read() {
        for (text, expected) in [
            ("1Gi", Some(1_073_741_824_000)),
            ("512Mi", Some(536_870_912_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("500m", Some(500)),
            ("0.5", Some(500)),
            ("2", Some(2_000)),
            ("1G", Some(1_000_000_000_000)),
            ("much", None),
            ("", None),
        ] {
            assert_eq!(milli(text), expected, "{text}");
        }
    }
}
