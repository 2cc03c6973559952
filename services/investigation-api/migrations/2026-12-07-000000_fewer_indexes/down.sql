create index command_action_idx on command (action_id, id);
create index command_started_idx on command (started desc, id desc);
