//! Archives that people's tools made, and bytes that nobody made.

use super::{ArchiveError, Builder, Limits, read, signed_string};
use proptest::prelude::*;
use std::process::Command;

fn names(archive: &[u8]) -> Result<Vec<String>, ArchiveError> {
    let entries = read(archive, &Limits::default(), |_, _| Ok(()))?;
    Ok(entries.into_iter().map(|entry| entry.name).collect())
}

/// Packs with the machine's tar, in one of its formats.
fn tar(format: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "d".repeat(60), "e".repeat(60));
    std::fs::create_dir_all(directory.path().join(&long)).unwrap();
    std::fs::write(directory.path().join("configuration"), "one").unwrap();
    std::fs::write(directory.path().join(&long).join("mig-agent"), [7; 5000]).unwrap();
    let run = Command::new("tar")
        .args(["--format", format, "-czf", "-", "-C"])
        .arg(directory.path())
        .args(["configuration", &long])
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    run.stdout
}

#[test]
fn every_format_of_tar_is_read() {
    for format in ["gnu", "posix", "ustar"] {
        assert_eq!(names(&tar(format)).unwrap(), ["configuration", "mig-agent"], "{format}");
    }
}

#[test]
fn what_is_built_reads_back_and_is_the_same_each_time() {
    let build = || {
        let mut builder = Builder::default();
        builder.add("configuration", 3, &b"one"[..]).unwrap();
        builder.add("empty", 0, &b""[..]).unwrap();
        builder.finish().unwrap()
    };
    let mut contents = [Vec::new(), Vec::new()];
    let limits = Limits::default();
    let entries = read(build().as_slice(), &limits, |place, part| {
        contents[place].extend_from_slice(part);
        Ok(())
    })
    .unwrap();
    assert_eq!(contents, [b"one".to_vec(), Vec::new()]);
    assert_eq!((entries[0].size, entries[1].size), (3, 0));
    assert_eq!(build(), build());
    assert!(Builder::default().add("a/b", 0, &b""[..]).is_err());
    assert!(Builder::default().add("x", 2, &b"longer"[..]).is_err());
    assert!(Builder::default().add("x", 9, &b"shorter"[..]).is_err());
}

#[test]
fn the_last_piece_is_what_a_new_go_leaves_out() {
    // behind one header each read is 4096 bytes but for the last before a window of 32 KiB is full
    for (size, kept) in [
        (0, 0),
        (3, 0),
        (4096, 0),
        (4097, 4096),
        (8192, 4096),
        (32_256, 28_672),
        (32_257, 32_256),
        (40_000, 36_352),
    ] {
        let content = vec![9; size];
        let mut builder = Builder::default();
        builder.add("x", size.try_into().unwrap(), content.as_slice()).unwrap();
        let entries =
            read(builder.finish().unwrap().as_slice(), &Limits::default(), |_, _| Ok(())).unwrap();
        let mut cut = Builder::default();
        cut.add("x", kept.try_into().unwrap(), &content[..kept]).unwrap();
        let cut =
            read(cut.finish().unwrap().as_slice(), &Limits::default(), |_, _| Ok(())).unwrap();
        assert_eq!(entries[0].cut_sha256, cut[0].sha256, "{size}");
    }
}

#[test]
fn the_signed_string_is_that_of_the_original() {
    let files = [
        ("configuration", "2fd7d6dfbd4a9aee7cb847917f9dcdf6d68d8248d561810312000d32d6a56ab8"),
        ("mig-agent", "860a0d0c6f1170179eb069ebc5725783d1b56eea844015468262bffe487424e5"),
        ("agentcert", "489d969a85a540712e95e8b4fb52ccca764773b02083b8779088bbb66087f98c"),
    ];
    assert_eq!(
        signed_string(files),
        concat!(
            r#"{"loader_name":"","entries":[{"name":"configuration","sha256":"2fd7d6dfbd4a9aee7cb847917f9dcdf6d68d8248d561810312000d32d6a56ab8"},"#,
            r#"{"name":"mig-agent","sha256":"860a0d0c6f1170179eb069ebc5725783d1b56eea844015468262bffe487424e5"},"#,
            r#"{"name":"agentcert","sha256":"489d969a85a540712e95e8b4fb52ccca764773b02083b8779088bbb66087f98c"}],"signatures":[]}"#
        )
    );
    assert_eq!(signed_string([]), r#"{"loader_name":"","entries":null,"signatures":[]}"#);
    assert!(
        signed_string([("a<b>&\u{2028}\"", "00")]).contains(r#""a\u003cb\u003e\u0026\u2028\"""#)
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, at in 0_usize..2000, byte: u8) {
        let _ = names(&bytes);
        let mut archive = Vec::new();
        let mut builder = Builder::default();
        builder.add("configuration", 3, &b"one"[..]).unwrap();
        std::io::Read::read_to_end(
            &mut flate2::read::GzDecoder::new(builder.finish().unwrap().as_slice()),
            &mut archive,
        )
        .unwrap();
        if let Some(place) = archive.get_mut(at) {
            *place = byte;
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &archive).unwrap();
        let _ = names(&gzip.finish().unwrap());
    }
}
