alter table run
    -- until when it is passed over: something failed with it, and others must not wait
    add column put_off timestamptz,
    -- how often its commands could not be made
    add column tries integer not null default 0;
-- Whether it had failed when an investigator let its run go on: such a failure no longer counts against the run.
alter table command add column forgiven boolean not null default false;
