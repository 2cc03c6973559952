-- The execution that a chain of playbooks began with: what they begin is counted together.
alter table execution add column root uuid;
create index execution_root_idx on execution (root) where root is not null;

-- How often the lease of a command was seen to be over.
alter table execution_step add column missed integer;
