//! `contract-version`: which contract this program speaks, and whether the asker is recent enough.

use super::command::ContractVersionArgs;
use super::envelope::{CONTRACT_VERSION, Refusal};
use serde::Serialize;

/// The oldest orchestrator that is served.
const OLDEST_PROVIDER: &str = "0.1.0";

/// The answer.
#[derive(Debug, Serialize)]
pub struct ContractVersion {
    api_version: &'static str,
    min_supported_provider_version: &'static str,
}

/// Answers, or refuses an orchestrator that is too old.
///
/// # Errors
/// [`Refusal`] with `CONTRACT_VERSION_MISMATCH`.
pub fn answer(args: &ContractVersionArgs) -> Result<ContractVersion, Refusal> {
    if let Some(provider) = &args.provider_version {
        check(provider)?;
    }
    Ok(ContractVersion {
        api_version: CONTRACT_VERSION,
        min_supported_provider_version: OLDEST_PROVIDER,
    })
}

fn check(provider: &str) -> Result<(), Refusal> {
    let code = "CONTRACT_VERSION_MISMATCH";
    let Some(version) = release(provider) else {
        let message = format!("Provider version '{provider}' is not a valid version string");
        return Err(Refusal::new(code, message).with("provider_version", provider));
    };
    if version >= release(OLDEST_PROVIDER).expect("our own version is a version") {
        return Ok(());
    }
    let message = format!("Provider version '{provider}' is below minimum '{OLDEST_PROVIDER}'");
    Err(Refusal::new(code, message)
        .with("provider_version", provider)
        .with("min_supported_provider_version", OLDEST_PROVIDER)
        .with("api_version", CONTRACT_VERSION))
}

/// Reads the numbers that a version begins with; a suffix such as `rc1` is left out.
fn release(text: &str) -> Option<Vec<u64>> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let digits = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let end = text.bytes().position(|byte| !digits(byte));
    let (numbers, suffix) = text.split_at(end.unwrap_or(text.len()));
    let known = ["a", "b", "rc", "-", "+", ".dev", ".post", "dev", "post"];
    let suffix_is_fine = suffix.is_empty() || known.iter().any(|word| suffix.starts_with(word));
    let parts: Option<Vec<u64>> = numbers
        .trim_end_matches('.')
        .split('.')
        .map(|part| part.parse().ok())
        .collect();
    let mut parts = parts.filter(|_| suffix_is_fine)?;
    // 1.0 and 1 are the same release.
    while parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal_of(provider: &str) -> Option<String> {
        let args = ContractVersionArgs {
            provider_version: Some(provider.to_owned()),
        };
        let refusal = answer(&args).err()?;
        assert_eq!(refusal.code, "CONTRACT_VERSION_MISMATCH");
        Some(refusal.message)
    }

    #[test]
    fn an_orchestrator_that_is_recent_enough_is_served() {
        for provider in [
            "0.1.0",
            "0.1",
            "0.1.2",
            "1",
            "0.10.0",
            "v0.1.3rc1",
            "0.1.3.dev1",
        ] {
            assert_eq!(refusal_of(provider), None, "{provider}");
        }
    }

    #[test]
    fn an_older_one_and_no_version_at_all_are_refused_with_their_words() {
        for provider in ["0.0.1", "0.0.99", "0"] {
            let expected = format!("Provider version '{provider}' is below minimum '0.1.0'");
            assert_eq!(refusal_of(provider), Some(expected));
        }
        for provider in ["garbage", "", "1.x", "-1", "1..2"] {
            let expected = format!("Provider version '{provider}' is not a valid version string");
            assert_eq!(refusal_of(provider), Some(expected));
        }
    }
}
