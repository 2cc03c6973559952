-- Each index is written three times for every command: as it is made, taken and answered. What these two gave in order is
-- merged, state by state, from command_status_idx and command_action_status_idx.
drop index command_started_idx;
drop index command_action_idx;
