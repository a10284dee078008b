//! Reads a JSON list of integers at the speed of memory.

/// Calls `each` with every item of a JSON list, as long as they are integers
/// of at most 18 digits. False, perhaps after some calls, when `text` is
/// anything but a list of those; then the general decoder has to look at it.
pub(crate) fn integers(text: &str, mut each: impl FnMut(i64)) -> bool {
    let bytes = text.as_bytes();
    let mut at = skip_space(bytes, 0);
    if bytes.get(at) != Some(&b'[') {
        return false;
    }
    at = skip_space(bytes, at + 1);
    if bytes.get(at) == Some(&b']') {
        return true;
    }
    loop {
        let Some((value, end)) = integer(bytes, at) else { return false };
        at = skip_space(bytes, end);
        let delimiter = bytes.get(at).copied();
        // Anything else is a fraction or an exponent.
        if matches!(delimiter, Some(b',' | b']')) {
            each(value);
        }
        match delimiter {
            Some(b',') => at = skip_space(bytes, at + 1),
            Some(b']') => return true,
            _ => return false,
        }
    }
}

/// The integer that begins at `at`, and where it ends.
fn integer(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    const MOST_DIGITS: usize = 18;
    let is_negative = bytes.get(at) == Some(&b'-');
    let digits = bytes.get(at + usize::from(is_negative)..)?;
    let mut value = 0_i64;
    let mut count = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if count == MOST_DIGITS {
            return None;
        }
        value = value * 10 + i64::from(digit);
        count += 1;
    }
    let end = at + usize::from(is_negative) + count;
    (count > 0).then_some((if is_negative { -value } else { value }, end))
}

/// In JSON, everything up to the space is one.
fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| *byte <= b' ') {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Option<Vec<i64>> {
        let mut items = Vec::new();
        integers(text, |item| items.push(item)).then_some(items)
    }

    #[test]
    fn lists_of_integers_are_read() {
        assert_eq!(scan("[]"), Some(vec![]));
        assert_eq!(scan(" [ 0 , -7,\n12 ] "), Some(vec![0, -7, 12]));
        assert_eq!(scan("[999999999999999999]"), Some(vec![999_999_999_999_999_999]));
    }

    #[test]
    fn everything_else_is_left_to_the_general_decoder() {
        for text in ["null", "{}", "[1.0]", "[1e3]", "[\"1\"]", "[1,[2]]", "[-]", "[1,", "[1", "["]
        {
            assert_eq!(scan(text), None, "{text}");
        }
        assert_eq!(scan("[1000000000000000000]"), None);
    }
}
