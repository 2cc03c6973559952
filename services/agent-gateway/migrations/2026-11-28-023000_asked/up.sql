-- names the question of its agent that work was leased to: one that had no answer is asked again, and is given the same; null
-- for agents that do not name their questions, and for what was leased before. No index: it is looked for only among the open
-- work of one agent
alter table mailbox add column asked uuid;
