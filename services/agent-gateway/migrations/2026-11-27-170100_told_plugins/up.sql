-- whether a RunbookSolutions agent was told that it has the plugin; those that are there were, or will be within a minute
alter table agent_plugin add column told boolean not null default true;
alter table agent_plugin alter column told set default false;
