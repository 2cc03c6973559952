drop table agent_plugin;
drop table plugin;
