#!/usr/bin/env python3
"""Runs every client tool against the service, and keeps the output of each.

    tests/evidence.py                                                        fresh local servers; evidence/local/
    BASE_URL=https://… API_KEY=… WEBHOOK_SECRET=… tests/evidence.py          that service; evidence/<its host>/

Both are in the folder REPORTS_DIR (target/reports), which the Makefile sets to docs/ with RENEW=1.

Each tool is a target of the Makefile. A tool that fails or is missing is in the index as failed and makes this fail. A tool
that must not run against a service in use is in the index with the reason. The old set stays until the new one is complete.
"""

import collections.abc
import dataclasses
import datetime
import html
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "browser"))
import photograph  # noqa: E402

STEP_SECONDS_MAX = 45 * 60  # including builds
WAKE_SECONDS_MAX = 120  # a free instance sleeps until its first request


@dataclasses.dataclass
class Step:
    tool: str
    target: str
    finds: str  # a pattern for the summary lines of the output
    says: collections.abc.Callable[[list], str]  # makes a sentence of what the pattern found
    keeps: str = ""  # a file in the repository that it writes
    report: tuple[str, str] = ("", "")  # the variable with a report's path, and the report's name
    page: tuple[str, str] = ("", "")  # the variable with the path of a report for people, and the name of its picture
    local_only: str = ""  # why it must not run against a service in use



def total(found, column=0):
    return sum(int(line[column]) for line in found)


STEPS = [
    Step("Swagger UI in Chromium", "browser", r"^[#ℹ] pass (\d+)\n[#ℹ] fail (\d+)$",
         lambda found: f"{total(found)} tests used the page; {total(found, 1)} of them failed."),
    Step("curl", "check-curl", r"^(\S+): (\d+) blocks .*$",
         lambda found: f"The {total(found, 1)} blocks of commands in {', '.join(page for page, _ in found)} got the answers shown there.",
         keeps="docs/curl.md", local_only="its ids are those of a new database"),
    Step("Postman, by newman", "newman", r"assertions[ │]+(\d+)[ │]+(\d+)",
         lambda found: f"{len(found)} runs of newman made {total(found)} checks; {total(found, 1)} of them failed.",
         report=("REPORT", "newman.xml"), page=("REPORT_HTML", "newman.png")),
    Step("Rust client (reqwest)", "smoke", r"^passed +(\d+) steps",
         lambda found: f"The shop's whole flow was done in {total(found)} steps, each as expected."),
    Step("Python client (requests)", "smoke-py", r'^  "status": "(\w+)"',
         lambda found: f"The shop's whole flow was done {len(found)} times; the last order is {found[-1][0]}."),
    Step("Conformance, by schemathesis", "check-conformance",
         r"^conformance: (\d+) operations, (\d+) test cases, (\d+) requests, failures: (\d+)",
         lambda found: f"{found[0][1]} made-up cases of {found[0][0]} operations; {found[0][3]} answers differed from the contract.",
         report=("CONFORMANCE_REPORT", "conformance.md"), local_only="thousands of made-up requests are not for a store in use"),
]

# What each step of the browser's flows shows; the names are those of tests/browser/flow.mjs.
SHOWS = {
    "enter-api-key": "The API key is entered under *Authorize*.",
    "create-product": "A product is created: 201.",
    "sku-is-taken": "A second product with the same SKU is refused: 409.",
    "body-is-invalid": "A body with three failures is refused, and each is named: 422.",
    "list-products": "The list, filtered by the SKU, has the product: 200.",
    "get-product": "The product is read: 200.",
    "change-product": "Its price and stock change, and nothing else: 200.",
    "delete-product": "The product is deleted: 204.",
    "product-is-gone": "The deleted product is not found: 404.",
    "page-refuses-id": "The page itself refuses the id 0, and sends nothing.",
    "create-product-again": "The SKU is free again: 201.",
    "place-order": "Two are ordered; the order is PENDING: 201.",
    "get-order": "The order is read: 200.",
    "change-quantity": "Three instead of two; the total follows: 200.",
    "cancel-order": "The order is canceled: 200.",
    "order-again": "Another order is placed: 201.",
    "order-too-many": "More than the stock is refused, and the answer says how many there are: 409.",
    "pay-with-wrong-signature": "A payment with a wrong signature is refused: 401.",
    "enter-signature": "The signature of the event is entered under *Authorize*.",
    "pay-order": "The signed payment is applied: 200.",
    "order-is-paid": "The order is PAID, and has the time: 200.",
    "replay-without-signature": "The same event without a signature is refused: 401.",
    "replay-payment": "The same event, signed, is a duplicate and changes nothing: 200.",
    "ship-order": "The paid order is SHIPPED: 200.",
    "order-is-unknown": "An order that never was is not found: 404.",
    "pay-in-the-field": "Stripe's event pays the order; its signature is in the operation's own field: 200.",
    "signature-of-another-body": "A refund with the signature of another event is refused: 401.",
    "enter-stripe-signature": "The right signature is entered under *Authorize*.",
    "refund-with-authorize": "The refund is applied, and the order is CANCELED: 200.",
    "list-payments": "The order's payment is refunded in full, and no longer open: 200.",
}

# The folders of the browser's pictures to keep, and their captions.
PICTURES = {
    "flow-desk": "The whole flow with “Try it out”, 1280 pixels wide",
    "flow-pocket": "From a product to a paid order, 390 pixels wide",
    "flow-stripe": "An order that is paid and refunded at Stripe",
}
PICTURES_A_ROW = 4
# The size of the picture of a report for people, in pixels.
REPORT_SIZE = (1280, 1700)
# The screenshot of the whole page: the browser test's name for it, and the name here.
PAGE, PAGE_KEPT = "desk-list.png", "docs.png"

# Settings of the service under test; they must not reach the servers that the targets start.
SETTINGS = ["BASE_URL", "API_KEY", "API_KEYS", "WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS", "DATABASE_URL", "CURRENCY",
            "CORS_ALLOWED_ORIGINS", "TRUSTED_PROXIES",
            "STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET_PREVIOUS", "STRIPE_LIVEMODE", "STRIPE_ORDER_KEY", "STRIPE_ACCOUNT"]
SECRETS = [os.environ[name] for name in ("API_KEY", "WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET") if os.environ.get(name)]


@dataclasses.dataclass
class Outcome:
    result: str
    says: str = ""
    seconds: float = 0
    files: list[str] = dataclasses.field(default_factory=list)


def main():
    base_url = os.environ.get("BASE_URL", "").rstrip("/")
    if base_url and not (os.environ.get("API_KEY") and os.environ.get("WEBHOOK_SECRET")):
        sys.exit("evidence: API_KEY and WEBHOOK_SECRET must be those of the service at BASE_URL")
    name = urllib.parse.urlsplit(base_url).hostname if base_url else "local"
    if not re.fullmatch(r"[A-Za-z0-9.:-]*[A-Za-z0-9]", name or ""):
        sys.exit(f"evidence: BASE_URL has no host: {base_url}")
    folder = pathlib.Path(os.environ.get("REPORTS_DIR") or ROOT / "target" / "reports", "evidence", name).resolve()
    serves = contract_at(base_url) if base_url else ""
    began = datetime.datetime.now(datetime.timezone.utc)

    with tempfile.TemporaryDirectory() as temporary:
        new = pathlib.Path(temporary, "evidence")
        new.mkdir()
        outcomes = {step.target: run(step, base_url, new, pathlib.Path(temporary, "screenshots")) for step in STEPS}
        keep_pictures(pathlib.Path(temporary, "screenshots"), new / "screenshots")
        (new / "index.md").write_text(index(base_url, serves, began, outcomes, new), encoding="utf-8")
        for file in new.rglob("*"):
            if file.suffix in {".md", ".txt", ".xml"}:
                file.write_text(for_everybody(file.read_text(encoding="utf-8"), temporary), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(new, folder)

    failed = [step.target for step in STEPS if outcomes[step.target].result == "failed"]
    print(f"\n{os.path.relpath(folder)}/index.md; " + (f"FAILED: {', '.join(failed)}" if failed else "all passed"))
    sys.exit(1 if failed else 0)


def run(step, base_url, folder, screenshots):
    """Runs one target and keeps its output, its report and its file."""
    if base_url and step.local_only:
        return Outcome("not run", step.local_only)
    environment = {name: value for name, value in os.environ.items() if base_url or name not in SETTINGS}
    environment |= {"NO_COLOR": "1", "TERM": "dumb", "CARGO_TERM_COLOR": "never", "SCREENSHOTS": str(screenshots)}
    variable, report = step.report
    if report:
        environment[variable] = str(folder / report)
    # Only its picture is kept: the page itself names paths of this machine.
    variable, picture = step.page
    page = folder.parent / f"{step.target}.html"
    if picture:
        environment[variable] = str(page)

    print(f"\n==== {step.target} ====", flush=True)
    started = time.monotonic()
    # A target can have many processes, which must end with it.
    process = subprocess.Popen(["make", "--no-print-directory", step.target], cwd=ROOT, env=environment, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=STEP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 15)
        output, _ = process.communicate()
        output += f"\nended after {STEP_SECONDS_MAX} seconds\n"
    seconds = time.monotonic() - started
    output = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output)
    print(output, flush=True)

    outcome = Outcome("passed" if process.returncode == 0 else "failed", seconds=seconds)
    if found := [match.groups() for match in re.finditer(step.finds, output, re.MULTILINE)]:
        outcome.says = step.says(found)
    elif process.returncode == 0:
        # A tool that ran nothing has not passed.
        outcome = Outcome("failed", "It ended without a summary.", seconds)
    if process.returncode != 0:
        last = "".join(output.strip().splitlines()[-1:])
        outcome.says += f" The last line of its output: {re.sub(r'[|]', ' ', last)}"
    (folder / f"{step.target}.txt").write_text(output, encoding="utf-8")
    outcome.files.append(f"{step.target}.txt")
    if report:
        # A tool without a report has failed, whatever its exit status.
        if (folder / report).is_file():
            outcome.files.append(report)
        else:
            outcome.result = "failed"
            outcome.says += f" (it left no {report})"
    if picture:
        if page.is_file() and photograph.photograph(page, folder / picture, *REPORT_SIZE):
            outcome.files.append(picture)
        else:
            outcome.result = "failed"
            outcome.says += f" (there is no {picture})"
    if step.keeps and (ROOT / step.keeps).is_file():
        outcome.files.append(pathlib.Path(shutil.copy(ROOT / step.keeps, folder)).name)
    return outcome


def keep_pictures(taken, kept):
    for name in PICTURES:
        if (taken / name).is_dir():
            shutil.copytree(taken / name, kept / name)
    if (taken / PAGE).is_file():
        kept.mkdir(exist_ok=True)
        shutil.copy(taken / PAGE, kept / PAGE_KEPT)


def contract_at(base_url):
    """A text that says whether the service has this commit's contract."""
    try:
        with urllib.request.urlopen(f"{base_url}/openapi.yaml", timeout=WAKE_SECONDS_MAX) as response:
            same = response.read() == (ROOT / "openapi.yaml").read_bytes()
    except (urllib.error.URLError, TimeoutError) as error:
        if not isinstance(error, urllib.error.HTTPError):
            sys.exit(f"evidence: cannot connect to {base_url}: {getattr(error, 'reason', error)}")
        sys.exit(f"evidence: {base_url}/openapi.yaml cannot be read: {error}")
    return "the one of this commit" if same else "**another one than this commit's**"


def index(base_url, serves, began, outcomes, folder):
    lines = [f"# Evidence: {base_url or 'a local server'}", ""]
    lines += ["What each tool showed when it used the service; made by `make evidence`, not by hand.", ""]
    lines += ["| | |", "|---|---|", f"| Date | {began:%Y-%m-%d %H:%M} UTC |", f"| Commit | {commit()} |"]
    if serves:
        lines.append(f"| Contract of the service | {serves} |")
    lines += [f"| Machine{' of the tools' if base_url else ''} | {machine()} |", ""]
    lines += ["| Tool | Command | Result | | Details | Duration |", "|---|---|---|---|---|---|"]
    for step in STEPS:
        outcome = outcomes[step.target]
        files = ", ".join(f"[{file}]({file})" for file in outcome.files)
        duration = f"{outcome.seconds:.0f} s" if outcome.seconds else ""
        result = outcome.result if outcome.result == "passed" else f"**{outcome.result}**"
        says = html.escape(outcome.says, quote=False)
        lines.append(f"| {step.tool} | `make {step.target}` | {result} | {says} | {files} | {duration} |")
    lines += ["", "Durations include what had to be built first.", ""]
    if not base_url:
        lines += [
            "Nothing here is from Render: no deployed service could be reached from where this was made. With the service's "
            "`API_KEY` and `WEBHOOK_SECRET` in the environment, one command adds its set beside this one:",
            "",
            "    make evidence RENEW=1 BASE_URL=https://<service>.onrender.com",
            "",
        ]
    if (folder / "screenshots" / PAGE_KEPT).is_file():
        lines += [f"The page at `/docs`, as it opens: [{PAGE_KEPT}](screenshots/{PAGE_KEPT})", ""]
    for name, caption in PICTURES.items():
        lines += [f"## {caption}", ""]
        pictures = sorted((folder / "screenshots" / name).glob("*.png"))
        lines += gallery([picture.relative_to(folder) for picture in pictures]) if pictures else ["No pictures were taken."]
        lines.append("")
    return "\n".join(lines)


def gallery(pictures):
    """Thumbnails in rows, each a link to the full size."""
    yield "|" + " |" * PICTURES_A_ROW
    yield "|" + "---|" * PICTURES_A_ROW
    for start in range(0, len(pictures), PICTURES_A_ROW):
        row = pictures[start:start + PICTURES_A_ROW]
        cells = [f'[<img src="{picture}" width="160" alt=""><br>{shown_in(picture)}]({picture})' for picture in row]
        yield "| " + " | ".join(cells + [""] * (PICTURES_A_ROW - len(row))) + " |"


def shown_in(picture):
    """What one sees in a picture of a flow, such as 02-create-product.png."""
    number, _, step = picture.stem.partition("-")
    return f"{int(number)}. {SHOWS[step]}"


def commit():
    def git(*arguments):
        ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return ran.stdout.strip() if ran.returncode == 0 else None

    changed = git("status", "--porcelain", "--", ".", ":!docs")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (", and changes that were not committed" if changed else "")


def machine():
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores ({platform.machine()}), {pages / 2**30:.0f} GiB of memory, {platform.system()} {platform.release()}"


def for_everybody(text, temporary):
    """Removes secrets, and paths of this machine."""
    for secret in SECRETS:
        text = text.replace(secret, "(secret)").replace(html.escape(secret), "(secret)")
    for place in (str(ROOT), temporary, f"{pathlib.Path.home()}/"):
        text = text.replace(place, "…" + "/" * place.endswith("/"))
    return re.sub(r"/tmp/tmp\.?[\w-]+", "…", text)


if __name__ == "__main__":
    main()
