drop schema messaging cascade;
