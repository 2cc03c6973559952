alter table action
    drop column dispatch,
    drop column wave,
    drop column held;
