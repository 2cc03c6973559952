-- when the agent was given the task first: from then on something should come back
alter table task add column offered timestamptz;
-- when the agent told of a result for the first time; some never do
alter table agent add column reported timestamptz;
