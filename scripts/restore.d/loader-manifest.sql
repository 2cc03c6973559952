-- Copies that are ahead of this backup take what is told from now on.
update loader set version = version + 1000000;
update manifest set version = version + 1000000;
-- Numbers that were given out after this backup are known elsewhere already.
select setval('manifest_id_seq', nextval('manifest_id_seq') + 1000000), setval('loader_id_seq', nextval('loader_id_seq') + 1000000);
delete from auth.digest;
