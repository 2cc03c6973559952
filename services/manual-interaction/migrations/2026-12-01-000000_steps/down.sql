drop table page_session;
drop table notification;
drop table step_event;
drop table step;
