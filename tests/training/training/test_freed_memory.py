"""A training gives freed memory back, as the next micro-batch has another shape."""


def test_memory_is_given_back_after_micro_batches_and_while_the_reference_is_scored(train, growing_memory):
    metrics = train("run", "dpo", epochs=1, batch_size=4, micro_batch_size=2)
    # The reference is scored in batches that are four times as large.
    assert growing_memory.count == -(-12 // (4 * 2)) + 2 * int(metrics["steps"])
