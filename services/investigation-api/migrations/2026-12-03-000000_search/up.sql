-- What searches go by. Names through trigrams, everything else in the order in which it is shown.
create extension if not exists pg_trgm;
alter table action add column threat_family text not null default '';
create index action_name_trgm_idx on action using gin (name gin_trgm_ops);
create index action_threat_family_trgm_idx on action using gin (threat_family gin_trgm_ops);
create index action_started_idx on action (started desc nulls last, id desc);
create index command_started_idx on command (started desc, id desc);
create index command_action_started_idx on command (action_id, started desc, id desc);
create index command_agent_started_idx on command (agent_id, started desc, id desc);
create index command_status_started_idx on command (status, started desc, id desc);
create index command_found_idx on command (started desc, id desc) where status = 'success' and true = any (found);
drop index command_agent_idx;
create index agent_name_trgm_idx on agent using gin (name gin_trgm_ops);
create index agent_version_idx on agent (version);
create index agent_seen_idx on agent (last_seen desc, id desc);
create index investigator_name_trgm_idx on investigator using gin (name gin_trgm_ops);

-- How the fleet stands, counted by a job: the newest row is what the dashboard shows.
create table agent_stats (
    one boolean primary key default true check (one),
    counted timestamptz not null,
    stats jsonb not null
);
