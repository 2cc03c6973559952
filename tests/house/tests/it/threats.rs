//! Each "cannot" of the threat model names tests, and they exist.

use crate::house::root;
use std::path::Path;

#[test]
fn each_cannot_names_its_tests() {
    let text = std::fs::read_to_string(root().join("deploy/README.md")).unwrap();
    let (_, model) = text.split_once("## Threat model").unwrap();
    let model = model.replace("\n  ", " ");
    let claims: Vec<_> = model.lines().filter_map(|line| line.strip_prefix("- ")).collect();
    assert!(claims.len() > 20, "only {} claims", claims.len());
    let outside = model.lines().filter(|line| !line.starts_with("- ") && line.contains("annot"));
    assert_eq!(outside.filter(|line| !line.starts_with("Each")).collect::<Vec<_>>(), [""; 0]);
    for claim in claims {
        let (words, tests) = claim.split_once(" — ").unwrap_or_else(|| panic!("no test: {claim}"));
        assert!(words.contains("cannot") || words.starts_with("None of them can"), "{claim}");
        let mut quoted = tests.split('`').skip(1).step_by(2);
        let mut named = 0;
        while let (Some(file), Some(test)) = (quoted.next(), quoted.next()) {
            let source = std::fs::read_to_string(root().join(file));
            let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(source.contains(&format!("fn {test}(")), "{file} has no {test}");
            assert!(runs(&root().join(file), &source, test), "{file}: nothing runs {test}");
            named += 1;
        }
        assert!(named > 0, "no test: {claim}");
    }
}

/// Tells whether a function is a test, or is called by the tests beside it.
fn runs(file: &Path, source: &str, test: &str) -> bool {
    let (before, _) = source.split_once(&format!("fn {test}(")).unwrap();
    let near = before.lines().rev().take_while(|line| !line.is_empty() && !line.starts_with('}'));
    if near.into_iter().any(|line| line.starts_with("#[") && line.contains("test")) {
        return true;
    }
    let calls = format!("{test}(");
    let beside = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let texts = beside.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    texts.map(|text| text.matches(&calls).count()).sum::<usize>() > 1
}
