-- what a MIG agent last told of itself, as SHA-256: the same is not written again, and what people changed stays
alter table agent add column described bytea check (octet_length(described) = 32);
-- since when another process of the same queue location is heard beside this one
alter table agent add column conflict_since timestamptz;
create index agent_mig_idx on agent (queueloc, number) where transport = 'mig';

-- when the command of a MIG agent is to be handed to the broker; null for agents that ask for their work
alter table mailbox add column push_at timestamptz;
create index mailbox_push_idx on mailbox (push_at, command) where state = 'waiting' and push_at is not null;

-- what MIG's commands tell of their action: when its commands were made, and how many
alter table action_document add column started timestamptz;
alter table action_document add column sent bigint not null default 0;
