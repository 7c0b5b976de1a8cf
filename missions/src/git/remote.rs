//! From the URL of `origin` to the repository slug of the wire.

use url::Url;

/// Derives `owner/repo` from a remote URL; `None` for files, local paths and one-part paths.
///
/// Accepts what git accepts: `https://host/owner/repo.git`, `ssh://git@host:22/owner/repo.git` and
/// `git@host:owner/repo.git`. Subgroups are kept (`group/sub/repo`), a final `.git` is cut. Nothing
/// of the host or of credentials reaches the result (reference events-queue-wire, section 1).
///
/// ```
/// use kitty_missions::git::repo_slug;
/// assert_eq!(repo_slug("git@host:acme/demo.git").as_deref(), Some("acme/demo"));
/// assert_eq!(repo_slug("https://me:secret@host/g/s/r.git").as_deref(), Some("g/s/r"));
/// assert_eq!(repo_slug("/srv/git/demo.git"), None);
/// ```
#[must_use]
pub fn repo_slug(remote_url: &str) -> Option<String> {
    let remote_url = remote_url.trim();
    let path = if remote_url.contains("://") {
        path_of_url(remote_url)?
    } else {
        path_of_scp(remote_url)?
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let plain = |part: &&str| !matches!(*part, "." | "..") && !part.contains(char::is_control);
    (parts.len() >= 2 && parts.iter().all(plain)).then(|| parts.join("/"))
}

fn path_of_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let remote = url.scheme() != "file" && url.host_str().is_some_and(|host| !host.is_empty());
    remote.then(|| url.path().to_owned())
}

/// `[user@]host:path`, where nothing before the colon looks like a path or a drive letter.
fn path_of_scp(text: &str) -> Option<String> {
    let (host, path) = match text.split_once("]:") {
        Some((host, path)) if host.contains('[') => (host, path),
        _ => text.split_once(':')?,
    };
    let drive_letter = host.len() == 1 && path.starts_with(['\\', '/']);
    let local = host.is_empty() || host.contains(['/', '\\']) || drive_letter;
    (!local && !path.contains(':')).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slug_is_owner_and_repository_for_every_remote_spelling() {
        for (url, slug) in [
            ("git@host:acme/demo.git", Some("acme/demo")),
            ("git@host:g/s/r.git", Some("g/s/r")),
            ("host:a/b", Some("a/b")),
            ("host.xz:/abs/a/b.git", Some("abs/a/b")),
            ("user@[::1]:a/b.git", Some("a/b")),
            ("https://user:token@h.example/a/b.git", Some("a/b")),
            ("https://h/a/b/", Some("a/b")),
            ("https://h/a/b.git/", Some("a/b")),
            ("https://h/a/b.git?x=1", Some("a/b")),
            ("HTTPS://H/A/B.git", Some("A/B")),
            ("http://h/a//b.git", Some("a/b")),
            ("ssh://git@h:2222/a/b.git", Some("a/b")),
            ("ssh://git@h/~user/x.git", Some("~user/x")),
            ("git+ssh://h/a/b.git", Some("a/b")),
            ("git://h/a/b", Some("a/b")),
            (" git@host:acme/demo.git\n", Some("acme/demo")),
            ("https://h/onlyone.git", None),
            ("git@h:repo.git", None),
            ("file:///x/y.git", None),
            ("/x/y.git", None),
            ("../x/y", None),
            ("./x:y/z", None),
            ("C:\\x\\y", None),
            ("C:/x/y", None),
            ("helper::us-east-1://repo", None),
            ("git@h:a/../b", None),
            ("", None),
        ] {
            assert_eq!(repo_slug(url).as_deref(), slug, "{url:?}");
        }
    }
}
