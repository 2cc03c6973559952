drop table delivery, manifest_revision, manifest_signature, manifest_chunk, manifest_file, manifest;
