//! Email addresses, as far as a server that sends no mail must know them.

/// The longest address that can be delivered to (RFC 5321).
const LONGEST: usize = 254;

/// Returns an address in the form in which it is stored and compared; `None` when it is not one.
pub(crate) fn normal(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    let strange = |c: char| c.is_whitespace() || c.is_control() || "<>\"\\,;:".contains(c);
    let valid = !local.is_empty()
        && !domain.is_empty()
        && text.len() <= LONGEST
        && !text.contains(strange)
        && !local.contains('@');
    valid.then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_lower_case_and_has_two_parts() {
        assert_eq!(
            normal(" Owner@Example.COM "),
            Some("owner@example.com".to_owned())
        );
        for bad in ["", "owner", "@b", "a@", "a@b@c", "a b@c", "a@b\nc", "<a@b>"] {
            assert_eq!(normal(bad), None, "{bad:?}");
        }
    }
}
