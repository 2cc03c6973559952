drop table loader;
