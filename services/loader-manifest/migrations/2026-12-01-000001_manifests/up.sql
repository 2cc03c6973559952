-- Signed lists of files; a higher number is newer. Content and files never change.
create sequence manifest_id_seq maxvalue 9007199254740991;
create table manifest (
    id bigint primary key default nextval('manifest_id_seq'),
    name text not null check (length(name) between 1 and 256),
    target text not null check (length(target) between 1 and 2048),
    status text not null check (status in ('staged', 'active', 'disabled')),
    created timestamptz not null,
    created_by bigint not null,
    expires timestamptz,
    -- the SHA-256 of the signed string, and that of the manifest to go back to
    digest text not null check (digest ~ '^[0-9a-f]{64}$'),
    rollback_to text check (rollback_to ~ '^[0-9a-f]{64}$'),
    version bigint not null default 1
);
alter sequence manifest_id_seq owned by manifest.id;
create index manifest_name_idx on manifest (name, id desc);
create index manifest_usable_idx on manifest (id desc) where status <> 'disabled';

-- The files of a manifest in the order in which they are signed; position 0 is the archive as it came.
create table manifest_file (
    manifest_id bigint not null references manifest (id) on delete cascade,
    position integer not null check (position >= 0),
    name text not null,
    size bigint not null,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    -- what consoles compute that forget the last piece of each file
    cut_sha256 text not null,
    -- how many bytes it has gzip'd
    packed bigint not null,
    primary key (manifest_id, position),
    unique (manifest_id, name)
);

-- Their bytes, gzip'd each for itself, in pieces that are read one at a time.
create table manifest_chunk (
    manifest_id bigint not null,
    position integer not null,
    chunk integer not null,
    data bytea not null,
    primary key (manifest_id, position, chunk),
    foreign key (manifest_id, position) references manifest_file (manifest_id, position) on delete cascade
);
alter table manifest_chunk alter column data set storage external;

create table manifest_signature (
    manifest_id bigint not null references manifest (id) on delete cascade,
    investigator_id bigint not null,
    signature text not null,
    signed timestamptz not null,
    primary key (manifest_id, investigator_id)
);
create index manifest_signature_investigator_idx on manifest_signature (investigator_id, manifest_id);

-- Grows with each change of manifests or signatures; a process whose memory holds another number reads them again.
create table manifest_revision (
    one boolean primary key default true check (one),
    revision bigint not null
);
insert into manifest_revision (revision) values (1);

-- How far each loader is with each manifest that it was given.
create table delivery (
    manifest_id bigint not null references manifest (id) on delete cascade,
    loader_id bigint not null references loader (id) on delete cascade,
    state text not null check (state in ('offered', 'fetching', 'taken', 'failed')),
    -- whether a file that the loader knows differs from what it had before
    differs boolean not null,
    -- positions of files fetched in the run at hand, and in those before
    fetching integer[] not null default '{}',
    fetched integer[] not null default '{}',
    offered timestamptz not null,
    changed timestamptz not null,
    primary key (manifest_id, loader_id)
);
create index delivery_loader_idx on delivery (loader_id);
