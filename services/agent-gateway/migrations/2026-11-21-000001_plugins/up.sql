create table plugin (
    id uuid primary key,
    name text not null check (octet_length(name) between 1 and 256),
    version text not null check (octet_length(version) <= 64),
    description text not null,
    script text not null check (octet_length(script) <= 1048576),
    -- lower-case hex of the SHA-512 of the script's bytes
    hash text not null check (length(hash) = 128),
    -- the published name of each command and the method it calls
    commands jsonb not null,
    published timestamptz not null,
    published_by bigint not null
);

create table agent_plugin (
    agent bigint not null references agent on delete cascade,
    plugin uuid not null references plugin,
    primary key (agent, plugin)
);

create index agent_plugin_plugin_idx on agent_plugin (plugin);
