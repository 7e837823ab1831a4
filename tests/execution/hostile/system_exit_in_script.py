# verdict: wrong_answer|exited_early
# tests: script
# must not: be taken for a success
raise SystemExit(0)
