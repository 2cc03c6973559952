drop table agent_token;
drop table presence;
drop table agent;
drop table team;
