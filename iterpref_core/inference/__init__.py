"""Language-model backends: where a prompt becomes text.

`backend` has the protocol and `backend_factory` opens whichever is configured (`local/`, `openai/`, `vllm/` or
`replay`), under its `budget` and with answers kept in an `answer_store`. `prompts` renders a prompt for a tokenizer and
reads the program out of an answer, `structured_answers` asks for answers in a given form.
"""
