drop index mailbox_agent_idx;
