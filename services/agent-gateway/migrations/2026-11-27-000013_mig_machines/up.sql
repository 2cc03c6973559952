-- what people say of a MIG agent, apart from what it tells of itself: it goes on to the machine's next row; null for a label
-- that they took away
alter table agent add column given_name text;
alter table agent add column given_tags jsonb not null default '{}';
-- a machine that was revoked is heard no more, whatever process speaks for it
create index agent_mig_revoked_idx on agent (queueloc) where transport = 'mig' and revoked_at is not null;
-- the processes of a machine that are not offline, among hundreds that are: by a collation that no other index has, as
-- PostgreSQL takes one for as good as the other when it does not know how many that are
create index agent_mig_open_idx on agent (queueloc collate "C", number) where transport = 'mig' and status <> 'offline';
