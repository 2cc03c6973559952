alter table agent_stats drop column took;
