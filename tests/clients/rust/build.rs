//! Generates the client from openapi.yaml, into the folder for build output.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use progenitor::{GenerationSettings, Generator, InterfaceStyle};

const CONTRACT: &str = "openapi.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={CONTRACT}");
    // progenitor reads only `application/json` into a type. A problem is that, too; its media type only adds the meaning.
    let contract = fs::read_to_string(CONTRACT)?.replace("application/problem+json:", "application/json:");
    let settings = GenerationSettings::default()
        .with_interface(InterfaceStyle::Builder)
        .clone();
    let client = Generator::new(&settings).generate_tokens(&serde_saphyr::from_str(&contract)?)?;
    let client = prettyplease::unparse(&syn::parse2(client)?);
    fs::write(Path::new(&env::var("OUT_DIR")?).join("shop.rs"), client)?;
    Ok(())
}
