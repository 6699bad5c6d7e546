//! Where a cold tier is, as it may stand in a manifest.

use std::path::Path;

use crate::error::{Error, Result};

/// A location as users write it, in the one form that is compared and stored: an absolute path, or
/// an address without a trailing slash.
///
/// # Errors
/// [`Error::InvalidArgument`] for an address that carries a credential, for memory, and for a
/// folder inside `database`.
pub fn settled(location: &str, database: Option<&Path>) -> Result<String> {
    let (scheme, rest) = location.split_once("://").unwrap_or(("", location));
    if location.is_empty() || location == "memory:" || scheme == "memory" {
        return Err(Error::invalid(format!(
            "cold={location:?} is in memory, where nothing outlives the process; a folder and \
             \"s3://bucket/prefix\" work"
        )));
    }
    if !matches!(scheme, "" | "file") {
        let host = rest.split('/').next().unwrap_or_default();
        let secret = host.split_once('@').is_some_and(|(user, _)| user.contains(':'));
        if secret || location.contains(['?', '#']) {
            return Err(Error::invalid(format!(
                "cold={:?} may carry a credential, and a location is stored in every manifest; \
                 pass credentials as cold_options= or in the environment",
                hidden(scheme, host)
            )));
        }
        return Ok(location.trim_end_matches('/').to_owned());
    }
    if scheme == "file" && !rest.starts_with('/') {
        return Err(Error::invalid(format!(
            "cold={location:?} names a host; write a path or \"file:///absolute/path\""
        )));
    }
    let absolute = |path: &Path| {
        let failed = |e| Error::storage(format!("finding {}", path.display()), e);
        std::path::absolute(path).map_err(failed)
    };
    let path = absolute(Path::new(rest))?;
    if let Some(database) = database
        && path.starts_with(absolute(database)?)
    {
        return Err(Error::invalid(format!(
            "cold={location:?} is inside the database's own folder {}; name a folder elsewhere",
            database.display()
        )));
    }
    // Components drop a trailing slash.
    Ok(path.components().collect::<std::path::PathBuf>().to_string_lossy().into_owned())
}

/// The address without what stands before its host.
fn hidden(scheme: &str, host: &str) -> String {
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{}/...", host.split(['?', '#']).next().unwrap_or_default())
}

/// Whether this is an address whose store needs credentials.
pub fn is_remote(location: &str) -> bool {
    location.contains("://")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn one_place_has_one_form() {
        let at = |location| settled(location, None).unwrap();
        assert_eq!(at("s3://bucket/prefix/"), "s3://bucket/prefix");
        assert_eq!(at("file:///cold/a/"), "/cold/a");
        assert_eq!(at("/cold/a/"), "/cold/a");
        let here = std::env::current_dir().unwrap();
        assert_eq!(at("cold"), here.join("cold").to_str().unwrap());
        let azure = "abfss://container@account.dfs.core.windows.net/x";
        assert_eq!(at(azure), azure);
    }

    #[test]
    fn what_cannot_be_a_cold_tier_says_why_and_hides_secrets() {
        let wrong = |location: &str| settled(location, Some(Path::new("/db"))).unwrap_err();
        for (location, why) in [
            ("", "memory"),
            ("memory:", "memory"),
            ("/db/cold", "inside"),
            ("/db", "inside"),
            ("file://host/x", "host"),
        ] {
            assert!(wrong(location).to_string().contains(why), "{location}");
        }
        for location in ["s3://key:secret@bucket/x", "https://host/x?sig=secret"] {
            let message = wrong(location).to_string();
            assert!(message.contains("credential") && !message.contains("secret"), "{message}");
        }
        settled("/db2/cold", Some(Path::new("/db"))).unwrap();
    }
}
