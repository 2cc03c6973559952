-- The copy of the agents that agent-gateway owns; a row is replaced when a higher revision arrives.
create table agent (
    id bigint primary key,
    uid uuid not null,
    name text not null,
    queueloc text not null,
    transport text not null,
    mode text not null,
    version text not null,
    pid bigint not null,
    status text not null,
    environment jsonb not null,
    tags jsonb not null,
    loader_name text not null,
    started timestamptz not null,
    destroyed timestamptz,
    last_seen timestamptz not null,
    refreshed timestamptz not null,
    revision bigint not null
);
create index agent_status_idx on agent (status, name);
create index agent_queueloc_idx on agent (queueloc);
create index agent_name_idx on agent (name);
