-- Copies that are ahead of this backup take what is told from now on.
update loader set version = version + 1000000;
update manifest set version = version + 1000000;
delete from auth.digest;
