-- How the commands of an action are given out, as it was asked for and as the scheduler tells.
alter table action
    add column dispatch jsonb,
    add column wave bigint not null default 0,
    add column held bigint not null default 0;
