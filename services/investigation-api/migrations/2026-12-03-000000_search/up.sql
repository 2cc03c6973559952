-- What searches go by: names through trigrams, everything else in the order in which it is shown.
create extension if not exists pg_trgm;

alter table action add column threat_family text not null default '';
create index action_names_trgm_idx on action using gin (name gin_trgm_ops, threat_family gin_trgm_ops);
create index action_started_idx on action (started desc, id desc);
create index action_status_idx on action (status, valid_from desc, id desc);

-- Inside one action the order by time is the order by id, which `command_action_idx` and `command_action_status_idx` keep.
drop index command_agent_idx;
create index command_agent_idx on command (agent_id, started desc, id desc);
create index command_started_idx on command (started desc, id desc);
create index command_status_idx on command (status, started desc, id desc);
create index command_found_idx on command (started desc, id desc)
    where status = 'success' and true = any (found);
create index command_not_found_idx on command (started desc, id desc)
    where status = 'success' and false = any (found);
create index command_action_found_idx on command (action_id, id)
    where status = 'success' and true = any (found);
create index command_action_not_found_idx on command (action_id, id)
    where status = 'success' and false = any (found);

-- When agents were last heard, in order, by status: the order of the whole is merged from these. It is not an index over `agent`: each time an agent is heard, all indexes of its row
-- would be written, the one over trigrams too; as it is, that row changes in its place and two small indexes are written.
create table agent_heard (
    agent_id bigint primary key references agent (id) on delete cascade,
    status text not null,
    last_seen timestamptz not null
) with (fillfactor = 80, parallel_workers = 0);
insert into agent_heard select id, status, last_seen from agent;
create index agent_heard_idx on agent_heard (status, last_seen desc, agent_id desc);
create function agent_heard_follows() returns trigger language plpgsql as $$
begin
    insert into agent_heard as kept select id, status, last_seen from changed order by id
        on conflict (agent_id) do update set status = excluded.status, last_seen = excluded.last_seen
        where kept.last_seen <> excluded.last_seen or kept.status <> excluded.status;
    return null;
end
$$;
create trigger agent_heard_follows_insert after insert on agent
    referencing new table as changed for each statement execute function agent_heard_follows();
create trigger agent_heard_follows_update after update on agent
    referencing new table as changed for each statement execute function agent_heard_follows();
create index agent_names_trgm_idx on agent using gin (name gin_trgm_ops, version gin_trgm_ops);
create index investigator_name_trgm_idx on investigator using gin (name gin_trgm_ops);

-- A search reads little; starting processes for it takes longer than the search.
alter table agent set (parallel_workers = 0);
alter table action set (parallel_workers = 0);
alter table command set (parallel_workers = 0);

-- Copies of what loader-manifest owns, without keys and contents.
create table loader (
    id bigint primary key,
    name text not null,
    agent_name text,
    enabled boolean not null,
    last_seen timestamptz not null,
    version bigint not null
) with (parallel_workers = 0);
create index loader_name_idx on loader (name, id);
create index loader_names_trgm_idx on loader using gin (name gin_trgm_ops, agent_name gin_trgm_ops);
create table manifest (
    id bigint primary key,
    name text not null,
    target text not null,
    status text not null,
    created timestamptz not null,
    version bigint not null
);
create index manifest_created_idx on manifest (created desc, id desc);
create index manifest_name_trgm_idx on manifest using gin (name gin_trgm_ops);

-- How the fleet stands, counted by a job.
create table agent_stats (
    one boolean primary key default true check (one),
    counted timestamptz not null,
    stats jsonb
);
insert into agent_stats (counted) values ('-infinity');
