//! Addresses of object stores and their options.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme, parse_url_opts};
use url::Url;

use crate::error::{Error, Result};

pub(super) fn parse(
    location: &str,
    options: &BTreeMap<String, String>,
) -> Result<(Arc<dyn ObjectStore>, Path)> {
    let unusable = |why: &dyn std::fmt::Display| {
        Error::invalid(format!(
            "location {location:?} cannot be used: {why}; a local path, \"s3://bucket/prefix\", \
             \"gs://bucket/prefix\" and \"az://container/prefix\" work"
        ))
    };
    let url = Url::parse(location).map_err(|e| unusable(&e))?;
    let (scheme, _) = ObjectStoreScheme::parse(&url).map_err(|e| unusable(&e))?;
    let known: fn(&str) -> bool = match scheme {
        ObjectStoreScheme::AmazonS3 => |key| key.parse::<AmazonS3ConfigKey>().is_ok(),
        ObjectStoreScheme::GoogleCloudStorage => |key| key.parse::<GoogleConfigKey>().is_ok(),
        ObjectStoreScheme::MicrosoftAzure => |key| key.parse::<AzureConfigKey>().is_ok(),
        _ => return Err(unusable(&"no object store answers to it")),
    };
    if let Some(key) = options.keys().find(|key| !known(&key.to_ascii_lowercase())) {
        return Err(Error::invalid(format!(
            "storage option {key:?} is unknown for {location:?}; names such as \"region\", \
             \"endpoint\", \"access_key_id\" (S3), \"service_account\" (GCS) or \"account_name\" \
             (Azure) work"
        )));
    }
    let vendors = ["AWS_", "GOOGLE_", "AZURE_"];
    let environment = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .filter(|(k, _)| vendors.iter().any(|vendor| k.starts_with(vendor)));
    let given = options.iter().map(|(k, v)| (k.clone(), v.clone()));
    let (store, prefix) =
        parse_url_opts(&url, environment.chain(given)).map_err(|e| unusable(&e))?;
    Ok((Arc::from(store), prefix))
}
