-- What ended long ago is found by its end, and its documents by who holds on to them.
create index run_expire_after_idx on run (expire_after);
create index execution_ended_idx on execution (ended) where ended is not null;
create index execution_digest_idx on execution (digest);
create index playbook_digest_idx on playbook (digest);
