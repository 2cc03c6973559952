alter table agent_plugin drop column told;
