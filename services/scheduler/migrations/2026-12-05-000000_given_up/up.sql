-- Whether it failed by agent-gateway's own word, which gave it up: an answer of its agent stands above that.
alter table command add column given_up boolean not null default false;
