-- where the agent asks from, when agents are known by their address
alter table agent add column address text check (octet_length(address) between 1 and 64);
create unique index agent_address_idx on agent (address) where address is not null and revoked_at is null;

-- versions come as numbers and as texts, and go out as they came
alter table plugin add column version_is_number boolean not null default false;

create table plugin_signature (
    plugin uuid not null references plugin on delete cascade,
    fingerprint text not null check (octet_length(fingerprint) between 32 and 64),
    investigator bigint not null,
    signature text not null check (octet_length(signature) <= 16384),
    added timestamptz not null,
    primary key (plugin, fingerprint)
);

-- an agent that was told of a plugin may still fetch it for a while: it ends at a 404
create table plugin_parting (
    agent bigint not null references agent on delete cascade,
    plugin uuid not null references plugin,
    until timestamptz not null,
    primary key (agent, plugin)
);

create index plugin_parting_until_idx on plugin_parting (until);

create table task (
    id uuid primary key,
    agent bigint not null references agent on delete cascade,
    plugin uuid not null references plugin,
    -- the name of the command in its plugin
    command text not null,
    cron text check (octet_length(cron) between 1 and 256),
    -- a JSON object
    arguments text not null,
    state text not null check (state in ('waiting', 'offered', 'done', 'overdue', 'withdrawn')),
    attempts integer not null default 0,
    leased_until timestamptz,
    created timestamptz not null,
    -- the investigator, or nobody for what stands in a signed action
    created_by bigint,
    ended timestamptz,
    mail bigint references mailbox on delete cascade,
    operation integer,
    check ((mail is null) = (operation is null)),
    check (mail is null or cron is null),
    check ((ended is null) = (state in ('waiting', 'offered')))
);

create index task_open_idx on task (agent, id) where state in ('waiting', 'offered');
create index task_agent_idx on task (agent, id);
create index task_lease_idx on task (leased_until) where state = 'offered' and cron is null;
create index task_ended_idx on task (ended) where ended is not null;
create unique index task_mail_idx on task (mail, operation) where mail is not null;

create table task_run (
    number bigint primary key generated always as identity,
    task uuid not null references task on delete cascade,
    at timestamptz not null,
    -- any JSON; null where it was cut
    data text not null,
    -- as it came
    bytes bigint not null,
    cut boolean not null
);

create index task_run_task_idx on task_run (task, number);

create table page_session (
    sha256 bytea primary key check (octet_length(sha256) = 32),
    investigator bigint not null,
    -- ends with the API key that opened it
    api_key_sha256 text not null,
    expires timestamptz not null
);

create index page_session_expires_idx on page_session (expires);
