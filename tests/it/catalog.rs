//! The commands `import` and `export`.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::commands::{database, refused, stdout};
use crate::support::postgres;
use crate::support::process::{Server, command, run};

/// A limit for a few lines, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

const CATALOG: &str = "sku,name,price,stock\nMUG-BLUE,\"Blue, large mug\",12.5,40\nMUG-RED,Red mug,9,0\n";

/// Where the products are.
#[derive(Clone)]
struct Shop {
    url: String,
}

impl Shop {
    fn of(file: &Path) -> Self {
        Self {
            url: format!("sqlite://{}", file.display()),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(Path::new("unused"));
        command.env("DATABASE_URL", &self.url).args(arguments);
        command
    }

    fn serve(&self) -> Server {
        Server::start(&mut self.command(&[]))
    }

    /// Runs `import - …` with this text on its standard input.
    fn importing(&self, text: impl AsRef<[u8]>, arguments: &[&str]) -> Output {
        let mut command = self.command(&["import", "-"]);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_ref()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Imports it, and returns the line that says so.
    fn import(&self, text: &str) -> String {
        let output = self.importing(text, &[]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        stdout(&output).to_owned()
    }

    /// What the import of this text prints, which is refused.
    fn faults(&self, text: impl AsRef<[u8]>) -> Vec<String> {
        let before = self.export();
        let output = self.importing(text, &[]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
        assert_eq!(self.export(), before);
        let errors = String::from_utf8(output.stderr).unwrap();
        errors.lines().map(str::to_owned).collect()
    }

    fn dry_run(&self, text: &str) -> String {
        let output = self.importing(text, &["--dry-run"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        stdout(&output).to_owned()
    }

    fn export(&self) -> String {
        let output = run(&mut self.command(&["export"]), LIMIT);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        stdout(&output).to_owned()
    }

    fn audit(&self) {
        let output = run(&mut self.command(&["audit"]), LIMIT);
        assert!(output.status.success(), "{}", stdout(&output));
    }
}

fn movements(server: &Server, product: i64) -> Vec<Value> {
    let (status, page) = server.ask("GET", &format!("/products/{product}/stock-movements"), "");
    assert_eq!(status, 200);
    let movement = |movement: &Value| json!([movement["reason"], movement["delta"], movement["stock_after"]]);
    page["items"].as_array().unwrap().iter().map(movement).collect()
}

/// A catalogue of so many products.
fn many(products: usize) -> String {
    let lines = (0..products).map(|number| format!("SKU-{number},Product {number},{}.5,{number}\n", number + 1));
    format!("sku,name,price,stock\n{}", lines.collect::<String>())
}

/// What holds on either backend.
fn a_catalog_is_imported_and_exported(shop: &Shop) {
    assert_eq!(shop.import(CATALOG), "created 2, changed 0 and kept 0 products\n");
    assert_eq!(shop.export(), CATALOG);
    assert_eq!(shop.import(CATALOG), "created 0, changed 0 and kept 2 products\n");

    let change = "\u{feff}Stock, SKU ,price\r\n,MUG-BLUE,13\r\n7,MUG-RED,\r\n,,\r\n";
    let planned = "change MUG-BLUE: price 12.5 -> 13\nchange MUG-RED: stock 0 -> 7\n\
                   would create 0, change 2 and keep 0 products\n";
    assert_eq!(shop.dry_run(change), planned);
    assert_eq!(shop.export(), CATALOG);
    assert_eq!(shop.import(change), "created 0, changed 2 and kept 0 products\n");
    let mixed = "name,price,stock,sku\nCap,3,1,CAP\nBlue mug,,,MUG-BLUE\n,9,7,MUG-RED\n";
    assert_eq!(shop.import(mixed), "created 1, changed 1 and kept 1 products\n");
    assert_eq!(
        shop.export(),
        "sku,name,price,stock\nMUG-BLUE,Blue mug,13,40\nMUG-RED,Red mug,9,7\nCAP,Cap,3,1\n"
    );
    shop.audit();

    let server = shop.serve();
    let ((_, product), raw) = server.ask_with("GET", "/products/1", &[], "");
    assert_eq!((&product["name"], &product["price"]), (&json!("Blue mug"), &json!(13)));
    // What changed nothing made no version.
    assert!(raw.to_lowercase().contains("etag: \"3\""), "{raw}");
    assert_eq!(movements(&server, 1), [json!(["initial", 40, 40])]);
    assert_eq!(movements(&server, 2), [json!(["adjustment", 7, 7])]);
    // Beside the service.
    assert!(shop.export().ends_with("CAP,Cap,3,1\n"));
    assert!(
        shop.dry_run(&many(3))
            .ends_with("would create 3, change 0 and keep 0 products\n")
    );
    assert!(server.stop(Signal::TERM).success());
}

fn whatever_is_wrong_is_named_and_nothing_is_changed(shop: &Shop) {
    shop.import(CATALOG);
    let text = b"sku,price,stock\r\n\nA,0,1\r\nA B,1.001,x\n\nMUG-RED,5,5\nMUG-RED,6,6\nC,1\nD,\xff,2\n\"E\nF\",1,1\nNEW-1,1,1";
    assert_eq!(
        shop.faults(text),
        [
            "line 3, price: must be greater than 0 and at most 1000000",
            "line 4, price: must have at most 2 decimals",
            "line 4, sku: must consist of letters, digits, '.', '_' and '-', a letter or digit first",
            "line 4, stock: must be a 64-bit integer",
            "line 7, sku: MUG-RED is on line 6 already",
            "line 8: has 2 cells, and the header has 3",
            "line 9, price: must be UTF-8",
            "line 10, sku: must consist of letters, digits, '.', '_' and '-', a letter or digit first",
            "orders-inventory: the file has 8 faults; nothing was changed",
        ]
    );
    assert_eq!(
        shop.faults("sku,stock\nMUG-RED,5\nNEW-1,1\n"),
        [
            "line 3, name: is required, for there is no product of this SKU yet",
            "line 3, price: is required, for there is no product of this SKU yet",
            "orders-inventory: the file has 2 faults; nothing was changed",
        ]
    );
    assert_eq!(shop.faults("").len(), 2);
    for (header, fault) in [
        (
            "sku",
            "header: must name the column sku, and of name, price and stock at least one",
        ),
        (
            "name,price",
            "header: must name the column sku, and of name, price and stock at least one",
        ),
        ("sku,name,sku", "header: names sku twice"),
        (
            "sku,name,cost",
            "header: there is no column \"cost\"; the columns are sku, name, price, stock, with commas between them",
        ),
    ] {
        let faults = shop.faults(format!("{header}\nMUG-RED,7,8\n"));
        assert_eq!(
            faults,
            [fault, "orders-inventory: the file has 1 fault; nothing was changed"]
        );
    }
}

#[test]
fn a_catalog_goes_into_a_file_and_comes_out() {
    let (file, _folder) = database();
    a_catalog_is_imported_and_exported(&Shop::of(&file));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_catalog_goes_into_postgres_and_comes_out() {
    let url = postgres::new_database().await;
    a_catalog_is_imported_and_exported(&Shop { url });
}

#[test]
fn a_wrong_catalog_changes_nothing() {
    let (file, _folder) = database();
    whatever_is_wrong_is_named_and_nothing_is_changed(&Shop::of(&file));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn a_wrong_catalog_changes_nothing_in_postgres() {
    let url = postgres::new_database().await;
    whatever_is_wrong_is_named_and_nothing_is_changed(&Shop { url });
}

#[test]
fn an_import_into_a_file_in_service_is_refused() {
    let (file, _folder) = database();
    let shop = Shop::of(&file);
    let server = shop.serve();
    let folder = tempfile::TempDir::new().unwrap();
    let catalog = folder.path().join("catalog.csv");
    fs::write(&catalog, CATALOG).unwrap();
    let line = refused(&mut shop.command(&["import", catalog.to_str().unwrap()]), 1);
    assert!(line.contains("another process serves or restores it"), "{line}");
    assert_eq!(shop.export(), "sku,name,price,stock\n");
    assert!(server.stop(Signal::TERM).success());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_import_into_postgres_is_seen_at_once_by_instances_that_serve() {
    let url = postgres::new_database().await;
    let shop = Shop { url };
    let server = shop.serve();
    assert_eq!(shop.import(CATALOG), "created 2, changed 0 and kept 0 products\n");
    assert_eq!(server.ask("GET", "/products/2", "").1["sku"], "MUG-RED");
    let order = json!({"product_id": 1, "quantity": 3}).to_string();
    assert_eq!(server.ask("POST", "/orders", &order).0, 201);
    // Without the column, what was sold stays sold.
    assert_eq!(
        shop.import("sku,price\nMUG-BLUE,14\n"),
        "created 0, changed 1 and kept 0 products\n"
    );
    assert_eq!(server.ask("GET", "/products/1", "").1["stock"], 37);
    assert!(server.stop(Signal::TERM).success());
    shop.audit();
}

/// Kills imports at different times; what is there then is all or nothing of each.
fn a_killed_import_is_whole_or_not_there(shop: &Shop) {
    let (lines, text) = (5_000, many(5_000));
    shop.import("sku,name,price,stock\nFIRST,First,1,1\n");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("catalog.csv");
    fs::write(&file, text).unwrap();
    let mut killed = 0;
    for wait in (0_u64..).map(|step| Duration::from_millis(40 * step)) {
        let mut child = shop
            .command(&["import", file.to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(wait);
        let is_over = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        let products = shop.export().lines().count() - 2;
        assert!(products == 0 || products == lines, "{products} after {wait:?}");
        shop.audit();
        if products == lines {
            break;
        }
        assert!(!is_over && wait < LIMIT, "it ended, and nothing is there");
        killed += 1;
    }
    assert!(killed > 0);
}

#[test]
fn an_import_into_a_file_that_is_killed_is_whole_or_not_there() {
    let (file, _folder) = database();
    a_killed_import_is_whole_or_not_there(&Shop::of(&file));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make check-postgres"]
async fn an_import_into_postgres_that_is_killed_is_whole_or_not_there() {
    let url = postgres::new_database().await;
    a_killed_import_is_whole_or_not_there(&Shop { url });
}

#[test]
fn an_export_leaves_what_is_there() {
    let (file, folder) = database();
    let shop = Shop::of(&file);
    let line = refused(&mut shop.command(&["export"]), 1);
    assert!(line.contains("there is no database of this service"), "{line}");
    assert!(!file.exists());
    shop.import(CATALOG);
    let target = folder.path().join("catalog.csv");
    let target = target.to_str().unwrap();
    let output = run(&mut shop.command(&["export", target]), LIMIT);
    assert_eq!(stdout(&output), format!("{target} (2 products)\n"));
    assert_eq!(fs::read_to_string(target).unwrap(), CATALOG);
    let line = refused(&mut shop.command(&["export", target]), 1);
    assert!(line.contains("File exists"), "{line}");
    let line = refused(&mut shop.command(&["import", "nowhere.csv"]), 1);
    assert!(line.contains("cannot read nowhere.csv: "), "{line}");
}
