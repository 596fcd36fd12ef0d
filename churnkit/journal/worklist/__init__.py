"""Work of people on customers, in tables beside the journal: owners, snoozes, tasks and views."""
