//! What a path holds, for people: run folders, findings, experiments, and whatever the data room knows.
