//! Prometheus' page of alerts, as people see it: in a browser without a window. Only where somebody asks for pictures.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::Prometheus;

/// What the page is made of, and where pictures go.
pub(super) struct Page {
    parts: PathBuf,
    pictures: PathBuf,
}

/// A browser that hangs is ended after so many seconds.
const PATIENCE_SECS: &str = "60";

/// All alerts of the chart fit on it.
const WINDOW: &str = "--window-size=1100,1040";

impl Page {
    /// The folder with the page's parts and the one for pictures, where both are said; else nobody looks at it.
    pub(super) fn wanted() -> Option<Self> {
        let path = |variable| std::env::var_os(variable).map(PathBuf::from);
        let page = Self { parts: path("FORGETD_TEST_PROMETHEUS_PAGE")?, pictures: path("FORGETD_TEST_PICTURES")? };
        std::fs::create_dir_all(&page.pictures).expect("a folder for pictures");
        Some(page)
    }

    /// The folder with the page's parts.
    pub(super) fn parts(&self) -> &Path {
        &self.parts
    }

    /// A picture of this name, on which the alert has so many active series. Nothing that the page names is missing: without
    /// its stylesheets nobody could read it.
    pub(super) fn shoot(&self, prometheus: &Prometheus, name: &str, (alert, active): (&str, usize)) {
        let got = |path: &str| prometheus.get(path).unwrap_or_else(|| panic!("no answer to {path}"));
        let (status, page) = got("/classic/alerts");
        assert!(status == 200 && page.contains(&format!("<b>{alert}</b> ({active} active)")), "{status}: {page}");
        let parts: Vec<&str> = ["href=\"", "src=\""]
            .iter()
            .flat_map(|before| page.split(before).skip(1).filter_map(|behind| behind.split('"').next()))
            .filter(|path| path.contains(".css?") || path.contains(".js?"))
            .collect();
        assert!(parts.len() >= 6, "{parts:?}");
        for part in parts {
            let (status, body) = got(part);
            assert!(status == 200 && !body.is_empty(), "{part}: {status}");
        }
        let picture = self.pictures.join(format!("{name}.png"));
        let profile = tempfile::tempdir().expect("tempdir");
        let mut browser = Command::new("timeout");
        browser.args([PATIENCE_SECS, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
        browser.arg(format!("--user-data-dir={}", profile.path().display())).arg(WINDOW);
        browser.arg(format!("--screenshot={}", picture.display())).arg(prometheus.url("/classic/alerts"));
        let output = browser.output().expect("timeout");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = std::fs::read(&picture).expect("a picture");
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000, "{} bytes", bytes.len());
        println!("note: {name}: {}", picture.display());
    }
}
