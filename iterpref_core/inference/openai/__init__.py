"""Models behind the OpenAI API: calls with retries, rate limits, several servers, and a server for tests."""
