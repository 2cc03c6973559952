-- what every service that aims has of its commands
create table command (
    id bigint primary key,
    action_id bigint not null,
    agent_id bigint not null,
    found boolean[] not null default '{}'
);
