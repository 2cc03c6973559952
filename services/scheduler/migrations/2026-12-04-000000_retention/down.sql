drop index playbook_digest_idx;
drop index execution_digest_idx;
drop index execution_ended_idx;
drop index run_expire_after_idx;
