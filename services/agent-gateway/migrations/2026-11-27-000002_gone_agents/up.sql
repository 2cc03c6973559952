-- rows of agents that are long gone are removed, which asks for each whether it has mail
create index mailbox_agent_idx on mailbox (agent);
