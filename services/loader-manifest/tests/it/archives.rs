//! Archives that anyone may have made.

use crate::house::house;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Write};

/// Writes one header by hand.
fn header(path: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = vec![0_u8; 512];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].copy_from_slice(b"        ");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn file(path: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(path, b'0', content.len().try_into().unwrap());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn gzip(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        gzip.write_all(part).unwrap();
    }
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plain_list_of_files_is_refused() {
    let house = house(&["--files", "3", "--file-mib", "1"]).await;
    let good = gzip(&[file("configuration", b"one")]);
    let mut broken = good.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    let mut sum = file("configuration", b"one");
    sum[0] ^= 1;
    let many: Vec<_> = (0..4).map(|number| file(&number.to_string(), b"")).collect();
    let named = |path: &str| gzip(&[file(path, b"x")]);
    for (name, content, text) in [
        ("no gzip", b"hello".to_vec(), "gzip"),
        ("broken gzip", broken, "the content is not"),
        ("cut gzip", good[..good.len() - 12].to_vec(), "the content is not"),
        ("no tar", gzip(&[b"hello".to_vec()]), "tar archive"),
        ("wrong sum", gzip(&[sum]), "tar archive"),
        ("no file", gzip(&[]), "no regular file"),
        ("only a directory", gzip(&[header("etc/", b'5', 0)]), "no regular file"),
        ("cut tar", gzip(&[file("a", &[1; 5000])[..2000].to_vec()]), "ends in the middle"),
        ("leads out", named("../configuration"), "leads out"),
        ("leads out inside", named("a/../../configuration"), "leads out"),
        ("absolute", named("/etc/passwd"), "starts at the root"),
        ("backslash", named("..\\x"), "backslash"),
        ("control", named("a\nb"), "control character"),
        ("no name", named("a/."), "names no file"),
        ("hard link", gzip(&[header("a", b'1', 0)]), "a hard link"),
        ("symbolic link", gzip(&[header("a", b'2', 0)]), "a symbolic link"),
        ("device", gzip(&[header("a", b'3', 0)]), "a device"),
        ("pipe", gzip(&[header("a", b'6', 0)]), "a pipe"),
        ("sparse", gzip(&[header("a", b'S', 0)]), "holes"),
        ("twice", gzip(&[file("a/x", b"1"), file("b/x", b"2")]), "two files are called"),
        (
            "something behind",
            gzip(&[file("x", b""), vec![0; 1024], vec![1; 512]]),
            "follows its end",
        ),
    ] {
        let answer = house.post_manifest("m", "TRUE", &STANDARD.encode(content)).await.expect(400);
        assert!(answer.error().contains(text), "{name}: {answer:?}");
    }
    for (name, content) in [
        ("too many", gzip(&many)),
        ("too large a file", gzip(&[header("a", b'0', 2 << 20)])),
        ("10 GB said", gzip(&[header("a", b'0', 7 << 30)])),
        ("too much together", gzip(&[file("a", &vec![0; 1 << 20]), file("b", &vec![0; 1 << 20])])),
    ] {
        let answer = house.post_manifest("m", "TRUE", &STANDARD.encode(content)).await;
        assert_eq!(answer.status, 413, "{name}: {answer:?}");
    }
    assert_eq!(house.count("manifest").await, 0);
    let encoded = STANDARD.encode(gzip(&[header("./", b'5', 0), file("./configuration", b"one")]));
    let (first, rest) = encoded.split_at(20);
    house.post_manifest("m", "TRUE", &format!("{first}\r\n{rest}\n")).await.expect(201);
    assert_eq!(
        house.texts("select name as text from manifest_file where position > 0").await,
        ["configuration"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused_long_before_it_is_unpacked() {
    let house = house(&[]).await;
    // 1 GiB of zeros in 1 MiB, behind a header that says so, and behind none
    let mut zeros = GzEncoder::new(Vec::new(), Compression::fast());
    let mut endless = GzEncoder::new(Vec::new(), Compression::fast());
    zeros.write_all(&header("mig-agent", b'0', 1 << 30)).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(1 << 28), &mut zeros).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(1 << 28), &mut endless).unwrap();
    for (content, status) in [(zeros, 413), (endless, 400)] {
        let encoded = STANDARD.encode(content.finish().unwrap());
        let since = std::time::Instant::now();
        house.post_manifest("m", "TRUE", &encoded).await.expect(status);
        assert!(since.elapsed() < std::time::Duration::from_secs(10), "{:?}", since.elapsed());
    }
    let over = "A".repeat(21 << 20);
    house.post_manifest("m", "TRUE", &over).await.expect(413);
}
