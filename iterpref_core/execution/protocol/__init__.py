"""Protocol: programs and limits that come in, jobs and answers of zygotes, and the outcomes that go out."""
