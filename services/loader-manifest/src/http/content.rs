//! Files on their way out: a piece at a time, however large they are.

use crate::LoaderManifest;
use crate::domain::shelf::File;
use crate::store::chunks::CHUNK;
use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::body::SizedStream;
use actix_web::web::{Bytes, Data};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use std::io;
use types::ManifestId;
use web::Problem;

/// Is gzip'd content of a manifest.
pub(super) struct Content {
    pub(super) service: Data<LoaderManifest>,
    pub(super) manifest: ManifestId,
    pub(super) position: i32,
    pub(super) size: u64,
}

impl Content {
    pub(super) fn new(
        service: Data<LoaderManifest>,
        manifest: ManifestId,
        file: &File,
    ) -> Result<Self, Problem> {
        let size = u64::try_from(file.packed).map_err(Problem::internal)?;
        Ok(Self { service, manifest, position: file.position, size })
    }

    /// Answers with the bytes as they are.
    pub(super) fn plain(self, mut answer: HttpResponseBuilder) -> HttpResponse {
        let size = self.size;
        answer.body(SizedStream::new(size, self.pieces(String::new(), String::new(), Bytes::from)))
    }

    /// Answers with a document that has `mark` where the content's base64 belongs.
    pub(super) fn within(
        self,
        mut answer: HttpResponseBuilder,
        document: &str,
        mark: &str,
    ) -> Result<HttpResponse, Problem> {
        let (head, tail) = document
            .split_once(mark)
            .ok_or_else(|| Problem::internal(anyhow::anyhow!("the document has no mark")))?;
        let around = u64::try_from(head.len() + tail.len()).map_err(Problem::internal)?;
        let size = around + self.size.div_ceil(3) * 4;
        let encode = |data: Vec<u8>| Bytes::from(STANDARD.encode(data));
        let pieces = self.pieces(head.to_owned(), tail.to_owned(), encode);
        Ok(answer.body(SizedStream::new(size, pieces)))
    }

    /// Reads the content piece by piece, each when the caller has taken the one before.
    fn pieces(
        self,
        head: String,
        tail: String,
        encode: fn(Vec<u8>) -> Bytes,
    ) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
        let chunk = u64::try_from(CHUNK).unwrap_or(u64::MAX);
        let count = i32::try_from(self.size.div_ceil(chunk)).unwrap_or(i32::MAX);
        // -1 is the head, `count` the tail
        stream::try_unfold((-1, self, head, tail), move |(at, content, head, tail)| async move {
            let piece = match at {
                -1 => Bytes::from(head.clone()),
                at if at < count => encode(content.read(at).await?),
                at if at == count => Bytes::from(tail.clone()),
                _ => return Ok(None),
            };
            Ok(Some((piece, (at + 1, content, head, tail))))
        })
    }

    async fn read(&self, chunk: i32) -> io::Result<Vec<u8>> {
        let read = self.service.app.read_chunk(self.manifest, self.position, chunk).await;
        let data = read.map_err(|error| {
            tracing::warn!(manifest.id = %self.manifest, %error, "a file could not be read to its end");
            io::Error::other("the file could not be read to its end")
        })?;
        data.ok_or_else(|| io::Error::other("a piece of the file is missing"))
    }
}

/// Draws a mark that is in no document.
pub(super) fn mark() -> String {
    format!("{:032x}", rand::random::<u128>())
}
