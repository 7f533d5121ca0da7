//! Prepares the files of the documentation in `$OUT_DIR/docs`, which `src/http/docs.rs` embeds.
//!
//! It converts the contract to JSON, unpacks the needed parts of Swagger UI from the crate that contains it, and writes
//! these files:
//!
//! ```text
//! index.html   openapi.yaml   openapi.json   assets/<name>.<hash>.<extension>
//! ```
//!
//! It uses no network. An invalid contract or page stops the build with an error, and so does a contract of another
//! version than the program's.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed build stops with an error")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Cursor, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

#[path = "src/http/docs/yaml_to_json.rs"]
mod yaml_to_json;

use yaml_to_json::json_from_yaml;

const CONTRACT: &str = "openapi.yaml";
const PAGE_FOLDER: &str = "src/http/docs";
const PAGE: &str = "index.html";

/// The project's own assets of the page, by name in `PAGE_FOLDER`.
const OWN_ASSETS: [&str; 3] = ["favicon.svg", "initializer.js", "page.css"];

/// The needed files of Swagger UI: the path in its release (below the release's folder) and the name here.
///
/// The standalone preset is left out: it only adds a bar for the address of another contract. The license must
/// accompany the code (Apache-2.0, section 4).
const SWAGGER_UI_ASSETS: [(&str, &str); 4] = [
    ("dist/swagger-ui.css", "swagger-ui.css"),
    ("dist/swagger-ui-bundle.js", "swagger-ui-bundle.js"),
    ("LICENSE", "swagger-ui-license.txt"),
    ("NOTICE", "swagger-ui-notice.txt"),
];

fn main() {
    // Without these lines, cargo would rerun the script for a change of any file.
    println!("cargo::rerun-if-changed={CONTRACT}");
    println!("cargo::rerun-if-changed={PAGE_FOLDER}/{PAGE}");
    for name in OWN_ASSETS {
        println!("cargo::rerun-if-changed={PAGE_FOLDER}/{name}");
    }

    let yaml = read_text(CONTRACT);
    let json = json_from_yaml(&yaml).unwrap_or_else(|error| panic!("{CONTRACT}: {error}"));
    let info = info_of(&json);
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets CARGO_PKG_VERSION for build scripts");
    assert!(
        info.version == version,
        "{CONTRACT} has info.version {}, Cargo.toml has version {version}: the contract and the program have one version",
        info.version
    );

    let out_dir = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    let site = Site::empty(Path::new(&out_dir).join("docs"));
    let mut names = BTreeMap::new();
    for name in OWN_ASSETS {
        let content = read_text(&format!("{PAGE_FOLDER}/{name}"));
        names.insert(name, site.add_asset(name, content.as_bytes()));
    }
    for (path, name) in SWAGGER_UI_ASSETS {
        names.insert(name, site.add_asset(name, &swagger_ui_file(path)));
    }
    let page = page(&read_text(&format!("{PAGE_FOLDER}/{PAGE}")), &info.title, &names);
    site.add(PAGE, page.as_bytes());
    site.add("openapi.yaml", yaml.as_bytes());
    site.add("openapi.json", json.as_bytes());
}

fn read_text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

/// Unpacks one file of Swagger UI's release; `path` is below the release's folder, which is named after the version.
fn swagger_ui_file(path: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))
        .expect("utoipa-swagger-ui-vendored carries a zip archive of Swagger UI");
    let name = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| name.split_once('/').is_some_and(|(_version, rest)| rest == path))
        .unwrap_or_else(|| panic!("Swagger UI's archive has no {path}"))
        .into_owned();
    let mut content = Vec::new();
    archive
        .by_name(&name)
        .and_then(|mut file| Ok(file.read_to_end(&mut content)?))
        .unwrap_or_else(|error| panic!("{name} in Swagger UI's archive cannot be unpacked: {error}"));
    content
}

/// Fills the page's `{{…}}`: the contract's title, and the hashed name of each asset.
fn page(template: &str, title: &str, names: &BTreeMap<&str, String>) -> String {
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let mut page = template.replace("{{title}}", &title);
    for (name, hashed) in names {
        let placeholder = format!("{{{{{name}}}}}");
        assert!(
            page.contains(&placeholder),
            "{PAGE} does not refer to {name} as {placeholder}"
        );
        page = page.replace(&placeholder, hashed);
    }
    assert!(
        !page.contains("{{"),
        "{PAGE} refers to an asset that build.rs does not make:\n{page}"
    );
    page
}

/// The contract's `info`.
#[derive(serde::Deserialize)]
struct Info {
    title: String,
    version: String,
}

fn info_of(json: &str) -> Info {
    #[derive(serde::Deserialize)]
    struct Contract {
        info: Info,
    }
    let contract: Contract =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{CONTRACT} has no info as expected: {error}"));
    contract.info
}

/// The folder to embed.
struct Site {
    folder: PathBuf,
}

impl Site {
    /// Starts with an empty folder, so that no asset of an earlier build is embedded.
    fn empty(folder: PathBuf) -> Self {
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .unwrap_or_else(|error| panic!("{} cannot be cleared: {error}", folder.display()));
        }
        Self { folder }
    }

    /// Adds an asset under a name with its content's hash, so that it can be cached forever; returns that name.
    fn add_asset(&self, name: &str, content: &[u8]) -> String {
        let (stem, extension) = name
            .rsplit_once('.')
            .unwrap_or_else(|| panic!("asset {name} has no extension"));
        let digest = Sha256::digest(content);
        let hashed = format!("{stem}.{}.{extension}", hex::encode(&digest[..8]));
        self.add(&format!("assets/{hashed}"), content);
        hashed
    }

    /// Adds a file.
    fn add(&self, path: &str, content: &[u8]) {
        let file = self.folder.join(path);
        let parent = file.parent().expect("a file below the folder has a parent");
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&file, content))
            .unwrap_or_else(|error| panic!("{} cannot be written: {error}", file.display()));
    }
}
