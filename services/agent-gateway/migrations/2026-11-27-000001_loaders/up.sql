-- what loader-manifest told of loaders: an agent is named after the loader that says the same queue location
create table loader (
    id bigint primary key,
    name text not null,
    queueloc text,
    last_seen timestamptz not null,
    version bigint not null
);

create index loader_queueloc_idx on loader (queueloc) where queueloc is not null;
-- agents of every transport, alive or not
create index agent_named_idx on agent (queueloc);
